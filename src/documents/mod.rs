//! Newer documents of the API: pulled, chosen by the operator, and noticed while the server runs.
//!
//! What a document may change is decided in `catalog::newer`. Here is where documents are kept, and which are in use.
//!
//! | module | what it does |
//! |---|---|
//! | `store` | the folder of pulled documents, and which of them are in use |
//! | `pull` | downloads the provider's published documents |

mod error;
mod pull;
mod store;

use std::{
    path::{Path, PathBuf},
    sync::Weak,
    time::Duration,
};

use scope3_mcp_gateway::{
    Gateway,
    catalog::{
        Catalog, Surface,
        newer::{self, Document, Newer, digest_of, with_newer},
    },
};
use tokio::task::spawn_blocking;

pub use self::{
    error::DocumentError,
    pull::{Pull, Puller},
    store::{Active, Pulled, Store},
};
use crate::{config::Settings, mcp::Listeners};

/// How often a server looks whether the operator chose another document.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A document in use, and what the operator said about it.
#[derive(Debug)]
pub struct InUse {
    /// The document.
    pub document: Document,
    /// What the operator acknowledged.
    pub active: Active,
}

impl InUse {
    /// The document as the catalog takes it.
    #[must_use]
    pub fn newer(&self) -> Newer<'_> {
        Newer {
            document: &self.document,
            acknowledged: &self.active.acknowledged,
            earlier: &self.active.earlier,
        }
    }
}

/// The APIs of the settings whose tools come from a document.
pub fn surfaces(settings: &Settings) -> impl Iterator<Item = Surface> {
    settings.api.iter().copied().filter(|surface| newer::server_of(*surface).is_some())
}

/// Whether the operator can change the catalog while the server runs.
#[must_use]
pub fn can_change(settings: &Settings) -> bool {
    !settings.sandbox && Store::usual().is_some() && followed(settings).next().is_some()
}

/// The APIs whose documents the operator chooses with `catalog use`.
fn followed(settings: &Settings) -> impl Iterator<Item = Surface> {
    let is_given = |surface: &Surface| settings.openapi.iter().any(|file| file.surface == *surface);
    surfaces(settings).filter(move |surface| !is_given(surface))
}

/// The catalog of the settings, with the newer documents that they name and those that the operator chose. A chosen document
/// that cannot be used is left out, and the log says so.
///
/// # Errors
/// If a document that the settings name cannot be used.
pub fn catalog(settings: &Settings) -> Result<Catalog, DocumentError> {
    match combined(settings, true) {
        Err(error) if can_change(settings) => {
            tracing::warn!(
                event = "document_rejected",
                %error,
                "a chosen document cannot be used; the built-in ones are"
            );
            combined(settings, false)
        }
        combined => combined,
    }
}

/// The catalog with the documents that the settings name, and with those that the operator chose if `with_chosen`.
fn combined(settings: &Settings, with_chosen: bool) -> Result<Catalog, DocumentError> {
    let store = if settings.sandbox { None } else { Store::usual() };
    let mut in_use = Vec::new();
    for file in &settings.openapi {
        let surface = file.surface;
        if !settings.api.contains(&surface) {
            return Err(DocumentError::Inactive(surface));
        }
        if in_use.iter().any(|other: &InUse| other.document.surface == surface) {
            return Err(DocumentError::Twice(surface));
        }
        let active = store.as_ref().and_then(|store| store.active(surface).ok()?).unwrap_or_default();
        in_use.push(InUse { document: read(store.as_ref(), surface, &file.path)?, active });
    }
    if with_chosen && let Some(store) = &store {
        for surface in followed(settings) {
            in_use.extend(store.in_use(surface)?);
        }
    }
    join(settings, &in_use)
}

fn join(settings: &Settings, in_use: &[InUse]) -> Result<Catalog, DocumentError> {
    if in_use.is_empty() {
        return Ok(Catalog::of_surfaces(&settings.api));
    }
    let newer: Vec<Newer<'_>> = in_use.iter().map(InUse::newer).collect();
    let (catalog, reports) = with_newer(&settings.api, &newer)?;
    for report in reports {
        tracing::info!(event = "document_in_use", "{}", report.summary());
    }
    Ok(catalog)
}

/// Reads a document from a file of the operator. What was read is kept beside the pulled documents.
///
/// # Errors
/// If it cannot be read.
pub fn read(store: Option<&Store>, surface: Surface, path: &Path) -> Result<Document, DocumentError> {
    let bytes = store::read_document(path)?;
    let digest = digest_of(&bytes);
    if let Some(kept) = store.and_then(|store| store.kept(surface, &digest)) {
        return Ok(kept);
    }
    let document = Document::read(surface, &bytes)
        .map_err(|source| DocumentError::Import { place: path.display().to_string(), source })?;
    if let Some(store) = store {
        // Without it, the document is read in full at the next start.
        let _ignored = store.keep(&document);
    }
    Ok(document)
}

/// Replaces the gateway's catalog whenever the operator chooses other documents, and tells the sessions.
pub async fn follow(gateway: Weak<Gateway>, settings: Settings, listeners: Listeners) {
    let Some(store) = Store::usual() else { return };
    let files: Vec<PathBuf> = followed(&settings).map(|surface| store.choice(surface)).collect();
    let Some(mut seen) = versions(&files).await else { return };
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(gateway) = gateway.upgrade() else { return };
        let Some(now) = versions(&files).await else { continue };
        if now == seen {
            continue;
        }
        seen = now;
        let settings = settings.clone();
        let replaced = spawn_blocking(move || {
            let catalog = combined(&settings, true).map_err(|error| error.to_string())?;
            gateway.adopt_catalog(catalog).map_err(|error| error.to_string())
        });
        match replaced.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(()) => {
                tracing::info!(
                    event = "catalog_replaced",
                    "the documents that the operator chose are in use"
                );
                listeners.tell();
            }
            Err(error) => tracing::warn!(
                event = "document_rejected",
                error,
                "the chosen documents cannot be used; the current catalog stays"
            ),
        }
    }
}

/// What shows that the operator chose another document.
async fn versions(files: &[PathBuf]) -> Option<Vec<Option<(std::time::SystemTime, u64)>>> {
    let files = files.to_vec();
    let look = move || {
        let version = |path: &PathBuf| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        files.iter().map(version).collect()
    };
    spawn_blocking(look).await.ok()
}
