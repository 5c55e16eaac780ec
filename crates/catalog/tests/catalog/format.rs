//! `tools/schema.json` describes the files of the catalog to editors; it is made from the types that read them.

use std::{fs, path::Path};

use scope3_mcp_catalog::Toolset;
use serde_json::Value;

#[test]
fn the_json_schema_of_the_catalog_matches_its_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/schema.json");
    let made = serde_json::to_string_pretty(&schemars::schema_for!(Toolset)).unwrap() + "\n";
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, made, "tools/schema.json is stale: run `make generated`");
}

#[test]
fn every_file_matches_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools");
    let schema = schemars::schema_for!(Toolset);
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let mut files = 0;
    for surface in ["buyer", "campaign", "local", "measurement", "storefront"] {
        for file in fs::read_dir(root.join(surface)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let value: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let problems: Vec<String> =
                validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{}: {problems:?}", path.display());
            files += 1;
        }
    }
    assert!(files > 10);
}
