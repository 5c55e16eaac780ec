//! Checks that modules depend only on modules in lower layers, by the table in the crate's documentation.

use std::{collections::HashMap, fs, path::Path};

/// The layer of each module, counted from the top.
fn layers() -> HashMap<String, usize> {
    let rows = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let cells = rows.filter_map(|row| row.split('|').next());
    let names = |cell: &str| cell.split(',').map(|name| name.trim().replace('`', "")).collect::<Vec<_>>();
    cells
        .enumerate()
        .flat_map(|(layer, cell)| names(cell).into_iter().map(move |name| (name, layer)))
        .collect()
}

/// The text of a file or of all files in a folder, without tests. A path that does not exist has no text.
fn sources(path: &Path) -> String {
    if path.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        return entries.filter(|path| !path.ends_with("tests.rs")).map(|path| sources(&path)).collect();
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split("mod tests {").next().unwrap().to_owned()
}

/// The modules that a source names as `crate::name` or `crate::{name, …}`.
fn used(source: &str) -> Vec<String> {
    source.split("crate::").skip(1).flat_map(names).collect()
}

/// The first names of a path, or of each path in a group: `a, b` for `{a::{c, d}, b::e}`.
fn names(path: &str) -> Vec<String> {
    let mut depth = 0;
    let mut outermost = String::new();
    for c in path.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 && !(c.is_alphanumeric() || c == '_') {
            break;
        }
        if depth <= 1 && c != '{' && c != '}' {
            outermost.push(c);
        }
    }
    let first = |path: &str| path.split("::").next().unwrap_or_default().trim().to_owned();
    outermost.split(',').map(first).filter(|name| !name.is_empty()).collect()
}

#[test]
fn modules_use_only_modules_in_lower_layers() {
    let layers = layers();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let declared =
        include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let mut uses = 0;
    for module in declared.filter(|module| *module != "layers") {
        let own = layers.get(module).unwrap_or_else(|| panic!("`{module}` has no layer"));
        let folder = src.join(module);
        let root = sources(&folder.with_extension("rs")) + &sources(&folder.join("mod.rs"));
        assert!(!root.is_empty() && !root.contains("super::"), "`{module}` names others by `crate::`");
        let text = root + &sources(&folder);
        for name in used(&text).iter().filter(|name| *name != module) {
            // `Options` is in `lib.rs`, above all modules; the server is started with it.
            if let Some(layer) = layers.get(name) {
                assert!(layer > own, "`{module}` uses `{name}`, which is not in a lower layer");
                uses += 1;
            } else {
                assert_eq!((module, name.as_str()), ("server", "Options"), "`{module}` uses `{name}`");
            }
        }
    }
    assert!(uses > 40, "only {uses} uses found");
}

#[test]
fn names_are_found_in_nested_groups() {
    assert_eq!(
        used("use crate::{a::{self, b::{c, d}}, e, f::G};\nuse crate::h::I; crate::j(k)"),
        ["a", "e", "f", "h", "j"]
    );
}
