//! A surface without a line of code: its entries are enough.

use reqwest::{Client, Method};
use scope3_mcp_catalog::{Catalog, Entry, EntryRef, Surface, Toolset};
use scope3_mcp_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::support::june;

/// Tools of a made-up API of sellers.
fn tools() -> Catalog {
    let text = json!({ "type": "string" });
    let tool = |name: &str, request: Value, effect: &str, input: Value| {
        json!({
            "name": name, "title": name, "description": "A thing.", "request": request, "effect": effect,
            "input": { "type": "object", "properties": input },
        })
    };
    let id = json!({ "shelfId": { "type": "string", "pattern": "^\\d+$" } });
    let upload = json!({
        "line": "POST /shelves/{shelfId}/files",
        "bindings": [{ "argument": "file", "place": "part", "reason": "A form." }],
    });
    let file: Toolset = serde_json::from_value(json!({
        "toolset": "shelves", "description": "Shelves.",
        "tools": [
            tool("list_shelves", json!("GET /shelves"), "read", json!({ "take": { "type": "integer" }, "skip": { "type": "integer" }, "color": text })),
            tool("create_shelf", json!("POST /shelves"), "write", json!({ "color": text, "size": { "type": "integer" } })),
            tool("get_shelf", json!("GET /shelves/{shelfId}"), "read", id.clone()),
            tool("update_shelf", json!("PATCH /shelves/{shelfId}"), "write", json!({ "shelfId": id["shelfId"], "color": { "type": ["string", "null"] } })),
            tool("upload_file", upload, "write", json!({ "shelfId": id["shelfId"], "file": text })),
        ],
    }))
    .unwrap();
    let entries = file.tools.into_iter().map(|tool| Entry::loaded(Surface::Storefront, "shelves", tool));
    entries.map(EntryRef::from).collect()
}

#[tokio::test]
async fn a_surface_is_served_from_its_entries() {
    let sandbox = Sandbox::start(june(), tools()).await.unwrap();
    let url = sandbox.url_of(Surface::Storefront).unwrap();
    let client = Client::new();
    let request =
        |method, path: &str| client.request(method, format!("{url}{path}")).bearer_auth(Sandbox::keys()[0]);
    let answer = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let mut ids = Vec::new();
    for color in ["red", "blue", "red"] {
        let body = json!({ "color": color, "size": 3 });
        let (status, created) = answer(request(Method::POST, "/shelves").json(&body)).await;
        assert_eq!((status, &created["data"]["color"]), (201, &json!(color)), "{created}");
        ids.push(created["data"]["shelfId"].as_str().unwrap().to_owned());
    }
    assert!(ids[0].chars().all(|c| c.is_ascii_digit()), "{ids:?}");
    let (_, listed) = answer(request(Method::GET, "/shelves?color=red&take=1&skip=1")).await;
    assert_eq!(listed["data"]["shelves"][0]["shelfId"], json!(ids[2]));
    assert_eq!(listed["meta"]["pagination"], json!({ "skip": 1, "take": 1, "total": 2, "hasMore": false }));
    let one = format!("/shelves/{}", ids[0]);
    let (_, changed) = answer(request(Method::PATCH, &one).json(&json!({ "color": null }))).await;
    assert_eq!((changed["data"].get("color"), &changed["data"]["size"]), (None, &json!(3)));
    assert_eq!(answer(request(Method::GET, "/shelves/1")).await.0, 404);
    let form = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\na,b\r\n--b--\r\n";
    let send = |path: &str| {
        request(Method::POST, path).header("content-type", "multipart/form-data; boundary=b").body(form)
    };
    assert_eq!(answer(send(&format!("{one}/files"))).await.0, 200);
    assert_eq!(answer(send("/shelves/1/files")).await.0, 404);
    let wrong = request(Method::POST, "/shelves").json(&json!({ "size": "large" }));
    assert_eq!(answer(wrong).await.1["error"]["details"]["issues"][0]["path"], "size");
}
