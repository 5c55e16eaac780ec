//! Results that fit: what a model gets of a long result, and how it reads the rest.

use std::sync::Arc;

use scope3_mcp_gateway::{Caller, Reader, credentials::KeyRing};
use serde_json::{Map, Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::support::{Rig, body, key};

fn tokens(value: &Value) -> usize {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(&value.to_string()).len()
}

fn campaign(id: usize) -> Value {
    json!({
        "id": format!("campaign_17911908{id:05}_5al7nv"),
        "name": format!("Autumn boots {id}"),
        "status": "active",
        "budget": { "total": 5_000_000 + id, "currency": "USD", "pacing": "even" },
        "startDate": "2026-10-01T00:00:00.000Z",
        "prompt": "Goal: increase awareness. KPI: reach and frequency. Audience: adults who hike.",
        "scores": [0.33, 0.125, 17.5],
    })
}

/// An API that answers with this many campaigns, and a caller that is a model.
async fn rig(campaigns: usize) -> (MockServer, Rig) {
    let server = MockServer::start().await;
    let list: Vec<Value> = (0..campaigns).map(campaign).collect();
    let data = json!({ "count": campaigns, "campaigns": list, "message": "Campaigns of Acme" });
    let response = ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": data }));
    Mock::given(any()).respond_with(response).mount(&server).await;
    let rig = Rig::new(&server.uri());
    let caller = Caller { reader: Reader::Model, ..rig.caller.clone() };
    let rig = Rig { caller, ..rig };
    (server, rig)
}

async fn list(rig: &Rig, arguments: Value) -> Value {
    rig.call("campaign_list", arguments).await.unwrap().into_value()
}

#[tokio::test]
async fn a_model_gets_the_beginning_of_a_long_result_and_reads_the_rest() {
    let (server, rig) = rig(700).await;
    let shown = list(&rig, json!({})).await;
    let whole = server.received_requests().await.unwrap().len();
    assert_eq!((whole, shown["count"].as_u64()), (1, Some(700)));
    let size: usize = (0..700).map(|id| campaign(id).to_string().len()).sum();
    assert!(size > 200_000, "{size} bytes");
    let paid = tokens(&shown);
    println!("of {size} bytes, the model gets {paid} tokens");
    assert!((3_000..=6_500).contains(&paid), "{paid} tokens");
    let cut = &shown["scope3Mcp"]["cut"];
    let first = shown["campaigns"].as_array().unwrap();
    assert_eq!(cut["parts"], json!([{ "path": "campaigns", "shown": first.len(), "total": 700 }]));

    let mut seen: Vec<Value> = first.clone();
    let mut next = json!({ "result": cut["result"], "path": "campaigns", "offset": first.len() });
    while !next.is_null() {
        let page = rig.call("read_result", next).await.unwrap().into_value();
        assert!(tokens(&page) <= 6_500, "{} tokens", tokens(&page));
        seen.extend(page["items"].as_array().unwrap().iter().cloned());
        next = page["next"].clone();
    }
    assert_eq!(seen, (0..700).map(campaign).collect::<Vec<_>>());
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "the rest costs no request");
    assert_eq!(rig.used("only", 0).await, 1);
}

#[tokio::test]
async fn a_short_result_and_one_for_a_program_stay_as_they_are() {
    let (_server, model) = rig(3).await;
    assert_eq!(list(&model, json!({})).await.get("scope3Mcp"), None);
    let (_server, model) = rig(700).await;
    let program = Rig { caller: Caller { reader: Reader::Program, ..model.caller.clone() }, ..model };
    assert_eq!(list(&program, json!({})).await["campaigns"].as_array().unwrap().len(), 700);
}

#[tokio::test]
async fn a_result_belongs_to_the_key_that_received_it() {
    let (_server, rig) = rig(700).await;
    let shown = list(&rig, json!({})).await;
    let read = json!({ "result": shown["scope3Mcp"]["cut"]["result"], "path": "count" });
    let stranger = Caller { keys: Arc::new(KeyRing::of(key("another"))), ..rig.caller.clone() };
    let stranger = Rig { gateway: Arc::clone(&rig.gateway), caller: stranger };
    assert_eq!(stranger.failure("read_result", read.clone()).await["code"], "NOT_FOUND");
    assert_eq!(rig.call("read_result", read).await.unwrap().into_value()["value"], 700);
    for unknown in ["", "0123456789abcdef", "../x"] {
        assert_eq!(rig.failure("read_result", json!({ "result": unknown })).await["code"], "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_wrong_path_is_answered_with_what_exists() {
    let (_server, rig) = rig(700).await;
    let shown = list(&rig, json!({})).await;
    let read = async |path: &str| {
        let arguments = json!({ "result": shown["scope3Mcp"]["cut"]["result"], "path": path });
        rig.failure("read_result", arguments).await["message"].as_str().unwrap().to_owned()
    };
    assert!(read("campaign").await.contains("did you mean `campaigns`?"));
    assert!(read("campaigns[900]").await.contains("a list of 700 items"));
    assert!(read("campaigns[3].budget.sum").await.contains("total, currency, pacing"));
}

#[tokio::test]
async fn fields_select_members_of_any_read() {
    let (_server, rig) = rig(200).await;
    let fields = json!({ "fields": ["campaigns.name", "campaigns.budget.total", "campaigns.color"] });
    let shown = list(&rig, fields).await;
    assert_eq!(shown["campaigns"][7], json!({ "name": "Autumn boots 7", "budget": { "total": 5_000_007 } }));
    assert_eq!(shown["campaigns"].as_array().unwrap().len(), 200, "now all of them fit");
    assert_eq!(shown["scope3Mcp"], json!({ "missingFields": ["campaigns.color"] }));
    for bad in [json!("campaigns"), json!([7]), json!(vec!["a"; 51]), json!(["x".repeat(201)])] {
        let failure = body(rig.call("campaign_list", json!({ "fields": bad })).await);
        assert_eq!(failure["code"], "VALIDATION_ERROR");
    }
    let change = json!({ "campaignId": "c", "fields": ["a"] });
    assert_eq!(rig.failure("campaign_delete", change).await["code"], "VALIDATION_ERROR");
}

/// The estimate decides how much a model pays, so it must not be far below what a tokenizer counts.
#[tokio::test]
async fn the_estimate_is_close_to_a_tokenizer() {
    let texts = Map::from_iter([
        ("words".to_owned(), json!(vec!["word"; 3000].join(" "))),
        (
            "prose".to_owned(),
            json!("The campaign reaches adults who hike, in the United States. ".repeat(300)),
        ),
        (
            "ids".to_owned(),
            json!(
                (0..900).map(|id| format!("3f2a9c{id:04}-77b1-4e0d-8c55-0a1b2c3d4e5f")).collect::<Vec<_>>()
            ),
        ),
        ("numbers".to_owned(), json!((0..3000).map(|id| f64::from(id) * 1.37).collect::<Vec<_>>())),
        ("umlauts".to_owned(), json!("Größe und Qualität, für Bücher in Österreich. ".repeat(300))),
        ("japanese".to_owned(), json!("広告キャンペーンの予算は五千円です。".repeat(300))),
        ("emoji".to_owned(), json!("🎯 **Goal** 🚀 ✅ ".repeat(300))),
        ("nested".to_owned(), json!((0..300).map(campaign).collect::<Vec<_>>())),
    ]);
    for (kind, value) in texts {
        let server = MockServer::start().await;
        let data = json!({ kind.clone(): value });
        let response = ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": data }));
        Mock::given(any()).respond_with(response).mount(&server).await;
        let rig = Rig::new(&server.uri());
        let rig = Rig { caller: Caller { reader: Reader::Model, ..rig.caller.clone() }, ..rig };
        let shown = list(&rig, json!({})).await;
        let paid = tokens(&shown);
        println!("{kind}: {paid} tokens");
        assert!((2_000..=7_000).contains(&paid), "{kind}: {paid} tokens");
    }
}
