//! Every operation of every surface that the sandbox serves answers a valid request.

use scope3_mcp_catalog::{Catalog, Entry, Surface};
use serde_json::{Map, Value};

use super::{
    Api,
    sample::{self, Known},
};

/// What exists at the start.
pub(crate) async fn known(api: &Api) -> Known {
    let customer = api.get("/api/v2/accounts/current").await["id"].clone();
    let campaigns = api.get("/campaigns?status=ALL").await;
    let id = campaigns["campaigns"][0]["campaignId"].as_str().unwrap().to_owned();
    let campaign = api.get(&format!("/campaigns/{id}")).await["campaign"].clone();
    let creatives = api.get(&format!("/campaigns/{id}/creatives")).await;
    sample::known(&campaign, &creatives["manifests"][0], &customer)
}

/// The path and the body of a valid request.
pub(crate) fn request(entry: &Entry, known: &Known) -> (String, Option<Map<String, Value>>) {
    let request = entry.tool.request.as_ref().unwrap();
    let operation = entry.tool.operation.as_deref().unwrap();
    let placed = request.place(sample::arguments(operation, entry.tool.input.object(), known)).unwrap();
    let base = request.base.as_deref().unwrap_or("/api/v2/buyer");
    let mut path = format!("{base}/{}", placed.path.join("/"));
    if !placed.query.is_empty() {
        let query: Vec<String> = placed.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        path = format!("{path}?{}", query.join("&"));
    }
    (path, placed.body)
}

/// Operations that answer a valid sample with an error for a good reason.
const EXCUSED: [(&str, u16); 3] = [
    // The sample names a media buy that is active, and its campaign.
    ("reactivateMediaBuy", 400),
    ("autoSelectProducts", 400),
    // Only a search tells the id of a proposal.
    ("applyProposal", 404),
];

#[tokio::test]
async fn every_operation_answers_a_valid_request() {
    let api = Api::start().await;
    let known = known(&api).await;
    let mut failed = Vec::new();
    let mut served = 0;
    for entry in Catalog::embedded().entries().filter(|entry| entry.surface == Surface::Buyer) {
        let request = entry.tool.request.as_ref().unwrap();
        let operation = entry.tool.operation.as_deref().unwrap();
        // A fresh sandbox for those that remove what others need.
        let is_change = entry.tool.effect != scope3_mcp_catalog::Effect::Read;
        let api = if is_change { Api::start().await } else { api.clone() };
        let (path, body) = self::request(entry, &known);
        let response = api.send(request.method.as_str(), &path, body.clone().map(Value::Object)).await;
        let status = response.status().as_u16();
        let answer = response.text().await.unwrap();
        served += 1;
        if status >= 300 && !EXCUSED.contains(&(operation, status)) {
            failed.push(format!("{operation} {status} {answer} <- {path} {body:?}"));
        }
    }
    assert!(failed.is_empty(), "{} of {served}:\n{}", failed.len(), failed.join("\n"));
    assert!(served > 200);
}
