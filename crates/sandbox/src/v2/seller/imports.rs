//! Imports of account mappings: a file is announced, stored at a signed address, previewed, and then committed.
//!
//! A row of the file stands for one mapping. What is in it is not read, so no row is ever set aside.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Moment;

use super::{super::account::Account, Answer, Call, Handler, Refusal, Reply};

/// How long a signed address can be used, and a preview be committed.
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// One import.
pub(in super::super) struct Import {
    id: String,
    /// What the signed address has, and nothing else tells.
    signature: String,
    name: String,
    is_snapshot: bool,
    sha256: String,
    bytes: u64,
    expires: Moment,
    /// The rows of the file, once it is stored.
    rows: Option<BTreeSet<String>>,
    /// The token of the preview.
    preview: Option<String>,
    committed: Option<Moment>,
}

pub(super) fn handler(operation: &str) -> Option<Handler> {
    match operation {
        "prepareSellerAccountBindingFeed" => Some(prepare),
        "previewSellerAccountBindingFeed" => Some(preview),
        "getSellerAccountBindingFeedRevision" => Some(get),
        "commitSellerAccountBindingFeed" => Some(commit),
        _ => None,
    }
}

fn prepare(call: &mut Call<'_>) -> Answer {
    let announced = |name: &str| call.arguments.get(&format!("file/{name}"));
    let sha256 = announced("sha256").and_then(Value::as_str).map(str::to_owned);
    let bytes = announced("sizeBytes").and_then(Value::as_u64);
    let (Some(sha256), Some(bytes)) = (sha256, bytes) else {
        return Err(Refusal::invalid_value("file", "expected name, sha256, sizeBytes and rowCount"));
    };
    let name = call.text("sourceRevision")?;
    let is_snapshot = call.text("mode")? == "snapshot";
    let now = call.account.tick();
    let import = Import {
        id: call.account.ids.uuid(),
        signature: call.account.ids.uuid(),
        name,
        is_snapshot,
        sha256,
        bytes,
        expires: now.plus(LIFETIME),
        rows: None,
        preview: None,
        committed: None,
    };
    let url = format!("{}/storage/{}?signature={}", call.origin, import.id, import.signature);
    let answer = json!({
        "feedId": import.id, "revisionId": import.id, "state": "uploading", "uploadUrl": url,
        "uploadHeaders": { "content-type": "text/csv" }, "uploadExpiresAt": import.expires,
        "contentFingerprint": import.sha256,
    });
    call.account.imports.push(import);
    Ok(Reply::of(answer))
}

/// Stores the file of the import with this signed address: `/storage/{id}?signature={signature}`. `None` if the account has
/// no such import.
pub(in super::super) fn store(
    account: &mut Account,
    place: &str,
    query: &str,
    body: &[u8],
) -> Option<Answer<()>> {
    let now = account.clock.now();
    let import = account.imports.iter_mut().find(|import| import.id == place)?;
    let is_signed = query.strip_prefix("signature=") == Some(&import.signature);
    is_signed.then(|| import.store(now, body))
}

impl Import {
    fn store(&mut self, now: Moment, body: &[u8]) -> Answer<()> {
        if now > self.expires || self.rows.is_some() {
            return Err(Refusal::access_denied("The address can be used once, for 15 minutes"));
        }
        let digits = Sha256::digest(body).into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
        let digest: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        if body.len() as u64 != self.bytes || digest != self.sha256 {
            return Err(Refusal::bad_request("This is not the file that was announced"));
        }
        let text = String::from_utf8_lossy(body);
        let rows = text.lines().skip(1).map(str::trim).filter(|row| !row.is_empty());
        self.rows = Some(rows.map(str::to_owned).collect());
        Ok(())
    }
}

fn find(call: &Call<'_>) -> Answer<usize> {
    let id = call.id("revisionId")?;
    let found = call.account.imports.iter().position(|import| import.id == id);
    found.ok_or_else(|| Refusal::not_found("Import", &id))
}

/// What an import changes. `None` while its file is not stored.
fn impact(account: &Account, import: &Import) -> Option<Value> {
    let rows = import.rows.as_ref()?;
    let mapped = &account.mapped;
    let left_out = mapped.difference(rows).count();
    let archived = if import.is_snapshot { left_out } else { 0 };
    Some(json!({
        "createCount": rows.difference(mapped).count(), "updateCount": 0, "archiveCount": archived,
        "unchangedCount": rows.intersection(mapped).count(), "quarantineCount": 0, "duplicateCount": 0,
        "snapshotAbsenceArchiveCount": archived,
    }))
}

/// An import in answers.
fn described(account: &Account, import: &Import) -> Value {
    let state = match import {
        Import { committed: Some(_), .. } => "committed",
        Import { preview: Some(_), .. } => "preview_ready",
        Import { rows: Some(_), .. } => "validating",
        Import { .. } if account.clock.now() > import.expires => "expired",
        Import { .. } => "uploading",
    };
    json!({
        "feedId": import.id, "revisionId": import.id, "sourceRevision": import.name,
        "mode": if import.is_snapshot { "snapshot" } else { "delta" }, "state": state,
        // After the commit nothing of it is left to do.
        "impact": if import.committed.is_none() { impact(account, import) } else { None },
        "diagnostics": [], "diagnosticsTruncated": false,
        "uploadExpiresAt": import.expires, "previewExpiresAt": null, "committedAt": import.committed,
    })
}

fn get(call: &mut Call<'_>) -> Answer {
    let at = find(call)?;
    Ok(Reply::of(described(call.account, &call.account.imports[at])))
}

fn preview(call: &mut Call<'_>) -> Answer {
    let at = find(call)?;
    let token = format!("{}{}", call.account.ids.base36(32), call.account.ids.base36(8));
    let import = &mut call.account.imports[at];
    if import.committed.is_some() {
        return Err(Refusal::invalid_state("The import is committed"));
    }
    if import.rows.is_none() {
        return Err(Refusal::invalid_state("The file is not stored yet"));
    }
    import.preview = Some(token.clone());
    let mut answer = described(call.account, &call.account.imports[at]);
    answer["previewToken"] = token.into();
    answer["previewExpiresAt"] = json!(call.account.clock.now().plus(LIFETIME));
    Ok(Reply::of(answer))
}

fn commit(call: &mut Call<'_>) -> Answer {
    let at = find(call)?;
    let token = call.text("previewToken")?;
    let now = call.account.tick();
    let import = &call.account.imports[at];
    if import.committed.is_some() {
        return Err(Refusal::invalid_state("The import is committed"));
    }
    let (Some(rows), true) = (&import.rows, import.preview.as_ref() == Some(&token)) else {
        return Err(Refusal::invalid_state("The preview is not the latest one; preview again"));
    };
    let impact = impact(call.account, import);
    let mapped =
        if import.is_snapshot { rows.clone() } else { rows.union(&call.account.mapped).cloned().collect() };
    let id = import.id.clone();
    // The mappings have changed, so no other preview holds.
    call.account.imports.iter_mut().for_each(|import| import.preview = None);
    call.account.mapped = mapped;
    call.account.imports[at].committed = Some(now);
    Ok(Reply::of(json!({
        "feedId": id, "revisionId": id, "state": "committed", "idempotentReplay": false, "committedAt": now,
        "impact": impact,
    })))
}
