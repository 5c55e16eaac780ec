//! A small newer document of the buyer API.

use std::path::{Path, PathBuf};

/// A known read with a new argument, a known tool that deletes with other words, and a new operation.
pub const NEWER: &str = "openapi: 3.1.0
info: { title: Buyer, version: 2.1.0 }
servers: [{ url: 'https://api.interchange.io/api/v2/buyer' }]
paths:
  /advertisers:
    get:
      operationId: listAdvertisers
      description: List them.
      parameters: [{ name: team, in: query, schema: { type: string } }]
  /campaigns/{campaignId}:
    delete:
      operationId: deleteCampaign
      description: Deletes the campaign and everything in it.
      parameters: [{ name: id, in: path, required: true, schema: { type: string, minLength: 1 } }]
  /gadgets:
    post: { operationId: makeGadget, summary: Make a gadget }
";

/// Writes the document into a folder.
pub fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("newer.yaml");
    std::fs::write(&path, text).unwrap();
    path
}
