//! Downloads the provider's published documents. No key is sent.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use reqwest::{StatusCode, header, redirect};
use scope3_mcp_gateway::{
    BaseUrl,
    catalog::{
        Surface,
        import::MAX_BYTES,
        newer::{Document, Newer, with_newer},
    },
};

use super::{DocumentError, Pulled, Store};

/// The longest time for a download, and for each part of it.
const TOTAL: Duration = Duration::from_mins(2);
const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(20);

/// The longest `ETag` that is kept.
const MAX_ETAG_BYTES: usize = 256;

/// What a pull got.
#[derive(Debug)]
pub enum Pull {
    /// The document that is here already.
    Unchanged(Pulled),
    /// Another document, which is stored now.
    New(Box<Document>, Pulled),
}

/// Downloads documents into a store.
#[derive(Debug)]
pub struct Puller<'a> {
    store: &'a Store,
}

impl<'a> Puller<'a> {
    /// A puller into this store.
    #[must_use]
    pub fn new(store: &'a Store) -> Self {
        Self { store }
    }

    /// Downloads the document of an API below its base URL, unless it is the one that is here. It is stored if all of it can
    /// be used.
    ///
    /// # Errors
    /// If the document cannot be downloaded, used or stored. Nothing is written then.
    pub async fn pull(&self, surface: Surface, base: &BaseUrl) -> Result<Pull, DocumentError> {
        let url = format!("{}/openapi.yaml", base.to_string().trim_end_matches('/'));
        let failed =
            |cause: reqwest::Error| DocumentError::Request { url: url.clone(), cause: cause.without_url() };
        let before = self.store.pulled(surface)?.filter(|before| before.url == url);
        let before = before.filter(|before| self.store.document(surface, &before.digest).is_ok());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("scope3-mcp/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .timeout(TOTAL);
        builder = if base.is_loopback() { builder.no_proxy() } else { builder.https_only(true) };
        let mut request = builder.build().map_err(failed)?.get(&url);
        if let Some(etag) = before.as_ref().and_then(|before| before.etag.as_ref()) {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(failed)?;
        match (response.status(), before) {
            (StatusCode::NOT_MODIFIED, Some(before)) => return Ok(Pull::Unchanged(before)),
            (StatusCode::OK, _) => {}
            (status, _) => return Err(DocumentError::Status { url, status: status.as_u16() }),
        }
        let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG_BYTES).map(str::to_owned);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_BYTES {
                return Err(DocumentError::TooLarge { place: url });
            }
        }
        let document = Document::read(surface, &bytes)
            .map_err(|source| DocumentError::Import { place: url.clone(), source })?;
        // What cannot be joined with what is built in is not kept either.
        let (acknowledged, earlier) = (BTreeMap::new(), BTreeMap::new());
        let newer = Newer { document: &document, acknowledged: &acknowledged, earlier: &earlier };
        with_newer(&[surface], &[newer])?;
        let pulled = Pulled { url, etag, digest: document.digest.clone(), at: Timestamp::now() };
        self.store.store(&document, &bytes, &pulled)?;
        Ok(Pull::New(Box::new(document), pulled))
    }
}
