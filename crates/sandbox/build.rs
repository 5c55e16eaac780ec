//! Collects which operations of the published APIs answer with something other than JSON, or with 202. The catalog's
//! entries do not say it, because no tool needs it.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let tools = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../tools");
    println!("cargo::rerun-if-changed={}", tools.display());
    let mut folders: Vec<_> = fs::read_dir(&tools)?.collect::<Result<_, _>>()?;
    folders.sort_by_key(fs::DirEntry::path);
    let mut rows = String::new();
    for folder in folders {
        let path = folder.path().join("contract.json");
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let contract: Value = serde_json::from_str(&text)?;
        for (id, operation) in contract["operations"].as_object().into_iter().flatten() {
            let answer = operation["answer"].as_str().unwrap_or("json");
            let accepted = operation["accepted"] == true;
            if answer != "json" || accepted {
                let surface = folder.file_name();
                writeln!(rows, "    ({:?}, {id:?}, {answer:?}, {accepted}),", surface.to_string_lossy())?;
            }
        }
    }
    let table = format!(
        "/// Surface, operation, kind of answer, whether it is 202.\nstatic KINDS: &[(&str, &str, &str, bool)] = &[\n{rows}];\n"
    );
    fs::write(Path::new(&env::var("OUT_DIR")?).join("kinds.rs"), table)?;
    Ok(())
}
