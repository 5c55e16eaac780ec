//! `scope3-mcp catalog import`: the facts of a published document, as the build uses them.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use scope3_mcp_gateway::{
    Profile,
    catalog::{
        Surface,
        contract::Contract,
        import::{self, Changes, Imported},
    },
};

use super::super::CommandError;

/// Imports a document, and prints what changed.
pub(super) fn run(file: &Path, surface: &str, output: Option<PathBuf>) -> Result<(), CommandError> {
    let output = output.unwrap_or_else(|| ["tools", surface, "contract.json"].iter().collect());
    super::print(import_file(file, surface, &output)?)
}

/// Imports a document. Nothing is written unless all of it is valid.
fn import_file(file: &Path, surface: &str, output: &Path) -> anyhow::Result<Vec<String>> {
    let Imported { contract, notes, .. } =
        import::import(&read(file)?).with_context(|| format!("{}", file.display()))?;
    let profile = Surface::ALL.into_iter().find(|known| known.as_str() == surface).and_then(Profile::of);
    if let Some(profile) = profile.filter(|profile| profile.production != contract.server) {
        let expected = profile.production;
        anyhow::bail!(
            "{}: expected the document of {expected}, got that of {}",
            file.display(),
            contract.server
        );
    }
    let before = previous(output)?;
    let text = import::to_text(&contract);
    write(output, &text).with_context(|| format!("{}: cannot be written", output.display()))?;
    let mut summary = vec![format!(
        "{}: {} operations and {} shared schemas, from version {} of the document",
        output.display(),
        contract.operations.len(),
        contract.schemas.len(),
        contract.version
    )];
    summary.extend(before.map(|before| described(&import::changes(&before, &contract))).unwrap_or_default());
    summary.extend(notes.into_iter().map(|note| format!("note: {note}")));
    Ok(summary)
}

/// The document. No more of it is read than a document can have.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("{}: cannot be read", file.display());
    let mut bytes = Vec::new();
    let most = u64::try_from(import::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file).with_context(cannot)?.take(most).read_to_end(&mut bytes).with_context(cannot)?;
    Ok(bytes)
}

/// The contract of an earlier import, if there is one.
fn previous(output: &Path) -> anyhow::Result<Option<Contract>> {
    let bytes = match fs::read(output) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.with_context(|| format!("{}: cannot be read", output.display()))?,
    };
    let contract = serde_json::from_slice(&bytes)
        .with_context(|| format!("{}: expected the contract of an earlier import", output.display()))?;
    Ok(Some(contract))
}

/// Writes a file as a whole: a reader sees the old text or the new one.
fn write(output: &Path, text: &str) -> anyhow::Result<()> {
    let folder = match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As for any other file, the user's mask takes away what others may not do.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(output)?;
    Ok(())
}

/// What a newer contract changes, one line for each operation.
fn described(changes: &Changes) -> Vec<String> {
    let Changes { added, removed, changed } = changes;
    let counts = [(added.len(), "added"), (removed.len(), "removed"), (changed.len(), "changed")];
    let counts: Vec<String> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
    let mut lines = vec![counts.join(", ")];
    lines.extend(added.iter().map(|id| format!("  added   {id}")));
    lines.extend(removed.iter().map(|id| format!("  removed {id}")));
    lines.extend(changed.iter().map(|change| format!("  changed {change}")));
    lines
}
