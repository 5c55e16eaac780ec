//! Newer documents on the command line.

use std::{collections::BTreeMap, path::Path};

use scope3_mcp_gateway::{
    BaseUrl, Profile,
    catalog::{
        Surface,
        import::{self, Checked},
        newer::{Document, Newer, Report, server_of, with_newer},
    },
};

use super::{super::CommandError, print};
use crate::{
    config::Settings,
    documents::{self, DocumentError, Pull, Puller, Store},
};

impl From<DocumentError> for CommandError {
    fn from(error: DocumentError) -> Self {
        Self::Failed(error.into())
    }
}

fn store() -> Result<Store, DocumentError> {
    Store::usual().ok_or(DocumentError::NoFolder)
}

fn parsed(surface: &str) -> Result<Surface, CommandError> {
    surface.parse().map_err(CommandError::Usage)
}

pub(super) async fn pull(settings: &Settings, named: &[String]) -> Result<(), CommandError> {
    let surfaces = if named.is_empty() {
        documents::surfaces(settings).collect()
    } else {
        named.iter().map(|name| parsed(name)).collect::<Result<Vec<_>, _>>()?
    };
    if surfaces.is_empty() {
        let problem = "expected an API with a published document, such as `--api buyer`";
        return Err(CommandError::Usage(format!("{}: {problem}", settings.name_of("api"))));
    }
    let store = store()?;
    for surface in surfaces {
        let base = base_url(settings, surface)?;
        match Puller::new(&store).pull(surface, &base).await? {
            Pull::Unchanged(pulled) => print(vec![format!("{surface}: unchanged since {:.0}", pulled.at)])?,
            Pull::New(document, pulled) => {
                let etag = pulled.etag.map(|etag| format!(", ETag {etag}")).unwrap_or_default();
                let report = report(&document, &store)?;
                print(vec![
                    format!(
                        "{surface}: {} operations from {}{etag}",
                        document.contract.operations.len(),
                        pulled.url
                    ),
                    format!("  {}", report.summary()),
                    format!(
                        "  `scope3-mcp catalog diff {surface}` says more; `scope3-mcp catalog use {surface}` uses it"
                    ),
                ])?;
            }
        }
    }
    Ok(())
}

fn base_url(settings: &Settings, surface: Surface) -> Result<BaseUrl, CommandError> {
    let usage = |error: String| CommandError::Usage(error);
    if let Some(url) = settings.base_url(surface).map_err(|error| usage(error.to_string()))? {
        return Ok(url);
    }
    let published = Profile::of(surface).and_then(|profile| profile.base_url(settings.environment.into()));
    let published = published.ok_or_else(|| {
        let name = settings.name_of("environment");
        usage(format!(
            "{name}: Scope3 publishes no staging URL for the API `{surface}`; set one with --api-url"
        ))
    })?;
    published.parse().map_err(|error| usage(format!("{error}")))
}

/// What a document changes, with what the operator acknowledged.
fn report(document: &Document, store: &Store) -> Result<Report, DocumentError> {
    let active = store.active(document.surface)?.unwrap_or_default();
    let earlier = earlier(document, store);
    let newer = Newer { document, acknowledged: &active.acknowledged, earlier: &earlier };
    let (_, mut reports) = with_newer(&[document.surface], &[newer])?;
    // There is one for each document.
    reports.pop().ok_or_else(|| DocumentError::NotPulled(document.surface))
}

/// What documents that were pulled earlier say about operations that this one describes in other words.
fn earlier(document: &Document, store: &Store) -> BTreeMap<String, import::Prose> {
    let mut found = BTreeMap::new();
    for earlier in store.earlier(document.surface, &document.digest) {
        for (id, prose) in earlier.prose {
            let is_other = document.prose.get(&id).is_some_and(|now| now.description != prose.description);
            if is_other {
                found.entry(id).or_insert(prose);
            }
        }
    }
    found
}

pub(super) fn diff(named: Option<&str>) -> Result<(), CommandError> {
    let store = store()?;
    let mut lines = Vec::new();
    match named {
        Some(name) if name.parse::<Surface>().is_ok() => {
            let surface = parsed(name)?;
            let pulled = store.pulled(surface)?.ok_or(DocumentError::NotPulled(surface))?;
            lines.extend(report(&store.document(surface, &pulled.digest)?, &store)?.lines());
        }
        Some(file) => {
            let path = Path::new(file);
            let surface = surface_of(path)?;
            lines.extend(report(&documents::read(None, surface, path)?, &store)?.lines());
        }
        None => {
            for surface in Surface::ALL {
                if let Some(pulled) = store.pulled(surface)? {
                    lines.extend(report(&store.document(surface, &pulled.digest)?, &store)?.lines());
                }
            }
            if lines.is_empty() {
                lines.push("no document was pulled; run `scope3-mcp catalog pull`".to_owned());
            }
        }
    }
    print(lines)
}

/// The API that a document says it describes.
fn surface_of(path: &Path) -> Result<Surface, CommandError> {
    let bytes = super::import::read(path)?;
    let place = path.display().to_string();
    let imported = import::import(&bytes).map_err(|source| DocumentError::Import { place, source })?;
    let server = imported.contract.server;
    let known = Surface::ALL.into_iter().filter_map(|surface| Some((surface, server_of(surface)?)));
    known.clone().find(|(_, known)| *known == server).map(|(surface, _)| surface).ok_or_else(|| {
        let servers: Vec<&str> = known.map(|(_, server)| server).collect();
        CommandError::Failed(anyhow::anyhow!(
            "{}: servers.0.url: expected one of {}, got {server}",
            path.display(),
            servers.join(", ")
        ))
    })
}

pub(super) fn check(file: &Path) -> Result<(), CommandError> {
    let bytes = super::import::read(file)?;
    let place = file.display().to_string();
    let Checked { faults, notes } =
        import::check(&bytes).map_err(|source| DocumentError::Import { place: place.clone(), source })?;
    let mut lines: Vec<String> = faults.iter().map(|fault| format!("error: {fault}")).collect();
    let mut is_usable = faults.is_empty();
    if is_usable {
        // What a server also demands of a document that it uses.
        match surface_of(file).and_then(|surface| Ok(documents::read(None, surface, file)?)) {
            Ok(_) => {}
            Err(error) => {
                lines.push(format!("error: {error}"));
                is_usable = false;
            }
        }
    }
    lines.extend(notes.iter().map(|note| format!("note:  {note}")));
    lines.push(format!("{place}: {} errors, {} notes", lines.len() - notes.len(), notes.len()));
    print(lines)?;
    if is_usable { Ok(()) } else { Err(CommandError::AlreadyReported) }
}

pub(super) fn use_built_in(surface: &str) -> Result<(), CommandError> {
    let surface = parsed(surface)?;
    let was_other = store()?.deactivate(surface)?;
    let already = if was_other { "" } else { " already" };
    print(vec![format!("{surface}: the built-in document is in use{already}")])
}

pub(super) fn use_pulled(surface: &str, acknowledge: bool) -> Result<(), CommandError> {
    let surface = parsed(surface)?;
    let store = store()?;
    let pulled = store.pulled(surface)?.ok_or(DocumentError::NotPulled(surface))?;
    let document = store.document(surface, &pulled.digest)?;
    let before = report(&document, &store)?;
    let mut active = store.active(surface)?.unwrap_or_default();
    let earlier = earlier(&document, &store);
    let reworded = before.reworded.iter().map(|description| &description.operation);
    active.earlier = reworded.filter_map(|id| Some((id.clone(), earlier.get(id)?.clone()))).collect();
    active.digest = pulled.digest;
    let waiting: Vec<_> = before.reworded.iter().filter(|it| it.needs_confirmation).collect();
    let mut lines =
        vec![format!("{surface}: the pulled document is in use"), format!("  {}", before.summary())];
    if acknowledge {
        let acknowledged = before.reworded.iter().map(|it| (it.operation.clone(), it.digest.clone()));
        active.acknowledged = acknowledged.collect();
        lines.push(format!("  acknowledged: {} changed descriptions", before.reworded.len()));
    } else if !waiting.is_empty() {
        lines.push(format!(
            "  Scope3 changed the descriptions of {} tools that can spend or delete. Their calls need a confirmation until \
             you run `scope3-mcp catalog use --acknowledge {surface}`:",
            waiting.len()
        ));
        for description in waiting {
            lines.push(format!("  {}", description.name));
            lines.extend(description.change.before.iter().map(|text| format!("    before: \"{text}\"")));
            lines.push(format!("    now:    \"{}\"", description.change.now));
        }
    }
    store.activate(surface, &active)?;
    print(lines)
}
