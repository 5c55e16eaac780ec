//! A key that must never be seen, and an API that repeats it wherever it can.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use serde_json::json;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

/// The secret part of the canary key.
pub const SECRET: &str = "C4nary-9fQzW2_mustNeverSing77";

/// The canary key.
pub fn key() -> String {
    format!("scope3_{}_{SECRET}", "b".repeat(32))
}

/// Everything that somebody could make of the key: plain, encoded, escaped, cut off.
pub fn forms(key: &str) -> Vec<String> {
    let mut forms = vec![key.to_owned(), hex(key), hex(key).to_uppercase(), key[..key.len() - 9].to_owned()];
    for before in ["", "a", "ab"] {
        forms.push(BASE64_STANDARD.encode(format!("{before}{key}")));
        forms.push(BASE64_URL_SAFE.encode(format!("{before}{key}:")));
    }
    forms.push(SECRET.to_owned());
    forms.push(format!("{}{SECRET}", "x".repeat(470)));
    forms
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Fails if a text contains eight characters in a row of the secret, or their encodings.
pub fn assert_clean(what: &str, text: impl AsRef<[u8]>) {
    let text = String::from_utf8_lossy(text.as_ref()).into_owned();
    let lower = text.to_lowercase();
    for window in SECRET.as_bytes().windows(8) {
        let window = std::str::from_utf8(window).unwrap();
        assert!(!text.contains(window), "{what} has `{window}`: {text}");
        assert!(!lower.contains(&hex(window)), "{what} has `{window}` in hex: {text}");
        for before in 0..3 {
            let encoded = BASE64_STANDARD.encode(format!("{}{window}", "\0".repeat(before)));
            // What depends on the window alone.
            let part = &encoded[(before * 8).div_ceil(6)..(before + window.len()) * 8 / 6];
            assert!(!text.contains(part), "{what} has `{window}` in base64: {text}");
            let part = part.replace('+', "-").replace('/', "_");
            assert!(!text.contains(&part), "{what} has `{window}` in base64: {text}");
        }
    }
}

/// Fails if a file in a folder or below it contains a part of the secret.
pub fn assert_clean_files(folder: &Path) {
    let paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!paths.is_empty());
    for path in paths {
        if path.is_dir() {
            assert_clean_files(&path);
        } else if path.is_file() {
            assert_clean(&path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
}

/// An API that repeats the key of each request in its headers and its body, each time in another way.
pub async fn echoing_api() -> MockServer {
    let server = MockServer::start().await;
    let count = AtomicUsize::new(0);
    let respond = move |request: &Request| {
        let key = request.headers["x-scope3-api-key"].to_str().unwrap().to_owned();
        let forms = forms(&key);
        let all = forms.join(" ");
        let escaped = key.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<Vec<_>>().concat();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let data = json!({
            "id": key, "authenticated": true, "email": all, "forms": forms, "body": body, all.clone(): { "n": 1 },
        });
        let response = match count.fetch_add(1, Ordering::Relaxed) % 11 {
            0 => ResponseTemplate::new(200).set_body_json(json!({ "success": true, "data": data })),
            1 => {
                let text = format!("{{\"success\":true,\"data\":{{\"{escaped}\":\"{escaped}\"}}}}");
                ResponseTemplate::new(200).set_body_raw(text, "application/json")
            }
            2 => ResponseTemplate::new(400)
                .set_body_json(json!({ "error": all, "code": key, "details": data, "message": all.repeat(50) })),
            3 => ResponseTemplate::new(401).set_body_json(json!({ "error": format!("bad key {all}") })),
            4 => ResponseTemplate::new(500).set_body_string(all.clone()),
            5 => ResponseTemplate::new(200).set_body_raw(format!("{{ \"cut\": \"{all}"), "application/json"),
            6 => ResponseTemplate::new(200).set_body_raw(all.clone(), "text/plain"),
            7 => ResponseTemplate::new(502).set_body_raw(format!("<html>{all}"), "text/html"),
            8 => ResponseTemplate::new(302).insert_header("location", format!("http://{key}.invalid/").as_str()),
            9 => ResponseTemplate::new(429).set_body_json(json!({ "error": all })),
            _ => ResponseTemplate::new(200).set_body_json(
                json!({ "success": false, "error": { "code": "X", "message": all }, "data": null, "message": all }),
            ),
        };
        response.insert_header("x-echo", all.as_str()).insert_header("server", key.as_str())
    };
    Mock::given(any()).respond_with(respond).mount(&server).await;
    server
}
