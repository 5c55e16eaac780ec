use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "Tr0ub4dor-n3ver_Leak3d9Xq";

fn key_text() -> String {
    format!("scope3_{}_{SECRET}", "c".repeat(32))
}

fn key(text: &str) -> ApiKey {
    ApiKey::parse(&text.into()).unwrap()
}

fn redactor() -> Redactor {
    Redactor::with([&key(&key_text())])
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Every form in which somebody may repeat the key, and what must not remain of it.
fn forms() -> Vec<String> {
    let key = key_text();
    let mut forms = vec![key.clone(), SECRET.to_owned(), hex(&key), hex(&key).to_uppercase(), hex(SECRET)];
    for before in ["", "a", "ab", "user:"] {
        for text in [&key, SECRET] {
            forms.push(BASE64_STANDARD.encode(format!("{before}{text}")));
            forms.push(BASE64_STANDARD.encode(format!("{before}{text}:")));
        }
    }
    forms
}

#[test]
fn a_secret_is_replaced_in_every_form_and_the_text_around_it_is_kept() {
    for form in forms() {
        let text = format!("before, {form}; after");
        let shown = redactor().redact(&text).into_owned();
        assert!(shown.contains(REDACTED), "{form}: {shown}");
        assert!(shown.starts_with("before, ") && shown.ends_with("; after"), "{form}: {shown}");
        for part in form.as_bytes().windows(16).filter_map(|part| std::str::from_utf8(part).ok()) {
            let is_of_id = "ccccccccc".contains(&part[..8.min(part.len())]);
            let of_secret = hex(SECRET).contains(part) || SECRET.contains(part);
            assert!(is_of_id || !of_secret || !shown.contains(part), "{form}: {shown}");
        }
    }
    assert_eq!(redactor().redact(&format!("{} and {SECRET}", key_text())), "[redacted] and [redacted]");
}

#[test]
fn a_secret_that_is_cut_off_is_replaced_as_well() {
    for cut in [&key_text()[..50], &SECRET[..8], &SECRET[5..13], &SECRET[SECRET.len() - 8..]] {
        assert!(redactor().redact(cut).ends_with(REDACTED), "{cut}");
    }
    assert_eq!(redactor().redact(&SECRET[..7]), SECRET[..7]);
}

#[test]
fn a_key_with_a_short_secret_is_replaced_as_a_whole() {
    let redactor = Redactor::with([&key("scope3_a_b"), &key("scope3_client_four")]);
    assert_eq!(redactor.redact("of scope3_a_b."), "of [redacted].");
    assert_eq!(redactor.redact("scope3_client_four"), "[redacted]");
    for kept in ["scope3_a", "four", "a_b", "client"] {
        assert_eq!(redactor.redact(kept), kept);
    }
}

#[test]
fn parts_of_a_clients_key_are_replaced_in_its_own_calls_only() {
    let text = "scope3_invented_campaign_brief-by-a-stranger";
    let stranger = key(text);
    secrets().add_received(&stranger);
    let part = "campaign_brief-by-a-stranger";
    assert_eq!(secrets().redact(part), part);
    assert_eq!(Redactor::default().redact(part), part);
    assert_eq!(Redactor::with([&stranger]).redact(part), REDACTED);
    assert_eq!(secrets().redact(&format!("it sent {text}, once")), "it sent [redacted], once");
}

#[test]
fn tokens_and_malformed_keys_are_replaced_and_names_are_not() {
    let secrets = Secrets::default();
    secrets.add_token(&"to\"ken/with=all kinds".into());
    secrets.add_malformed(
        &"SCOPE3_API_KEY=\"scope3_aaaaaaaaaa_malform\u{e9}dsecret\"\r\n$SCOPE3_API_KEY".into(),
    );
    for text in ["to\"ken/with=all kinds", r#"to\"ken/with=all kinds"#, "to%22ken%2Fwith%3Dall%20kinds"] {
        assert_eq!(secrets.redact(text), REDACTED, "{text}");
    }
    assert!(!secrets.redact("aaaaaaaaaa_malform\u{e9}dsecret").contains("malform"));
    for text in ["set SCOPE3_API_KEY", "scope3_mcp_gateway", "$SCOPE3_API_KEY"] {
        assert_eq!(secrets.redact(text), text);
    }
}

#[test]
fn the_number_of_secrets_is_bounded() {
    let secrets = Secrets::default();
    for n in 0..MAX_CONFIGURED + 10 {
        secrets.add_key(&key(&format!("scope3_a_configured-key-{n:05}")));
    }
    for n in 0..MAX_RECEIVED.get() + 10 {
        secrets.add_received(&key(&format!("scope3_a_received-key-{n:05}")));
    }
    assert_eq!(secrets.configured.read().unwrap().secrets.len(), MAX_CONFIGURED);
    assert_eq!(secrets.received.lock().unwrap().as_ref().unwrap().len(), MAX_RECEIVED.get());
    let newest = format!("scope3_a_configured-key-{:05}", MAX_CONFIGURED + 9);
    assert_eq!(secrets.redact(&newest), REDACTED);
}

proptest! {
    #[test]
    fn text_without_a_secret_is_unchanged(text in "\\PC{0,200}") {
        prop_assert!(matches!(redactor().redact(&text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn no_window_remains_wherever_the_secret_is(before in "\\PC{0,20}", after in "\\PC{0,20}", cut in 0usize..17) {
        let text = format!("{before}{}{after}", &SECRET[cut..]);
        let shown = redactor().redact(&text).into_owned();
        for window in SECRET.as_bytes().windows(8) {
            prop_assert!(!shown.contains(std::str::from_utf8(window).unwrap()), "{shown}");
        }
    }
}
