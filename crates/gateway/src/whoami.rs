//! The sentence that Scope3's documentation promises for `check_auth_status`.

use serde_json::{Map, Value};

/// The maximum length of a repeated name or number. Hardly any email address is longer.
const MAX_NAME_CHARS: usize = 100;

/// The members that describe the caller, besides the top level of the response.
const IDENTITY_MEMBERS: [&str; 6] = ["user", "account", "customer", "profile", "company", "organization"];

const SANDBOX: &str = "This is the sandbox: its data is invented, and nothing is spent.";

/// `✅ Authenticated as user@company.com (Customer ID: 12345)`, with the best name in the response: an email
/// address, a person or company, or only the customer ID. What follows says the company and role, if the response has
/// them as v2's has, and whether it is from the sandbox.
pub(crate) fn sentence(data: &Map<String, Value>, sandbox: bool) -> String {
    let who = name(data);
    let company = first(data, &["company"]).filter(|company| who.as_ref() != Some(company));
    let mut sentences = vec![promised_sentence(data, who)];
    sentences.extend(company.map(|company| format!("Company: {company}")));
    sentences.extend(first(data, &["role"]).map(|role| format!("Role: {role}")));
    sentences.extend(sandbox.then(|| SANDBOX.to_owned()));
    sentences.join(". ")
}

fn promised_sentence(data: &Map<String, Value>, who: Option<String>) -> String {
    if data.get("authenticated") == Some(&Value::Bool(false)) {
        return "❌ Not authenticated: Scope3 does not accept the key".to_owned();
    }
    match (who, customer_id(data)) {
        (Some(who), Some(id)) => format!("✅ Authenticated as {who} (Customer ID: {id})"),
        (Some(who), None) => format!("✅ Authenticated as {who}"),
        (None, Some(id)) => format!("✅ Authenticated as customer {id} (Customer ID: {id})"),
        (None, None) => "✅ Authenticated; Scope3 did not say as whom".to_owned(),
    }
}

/// An email address from anywhere in the response, else a person, else a company.
fn name(data: &Map<String, Value>) -> Option<String> {
    let first_of = |members: &[&str], names: &[&str]| {
        objects(data, members).into_iter().find_map(|object| first(object, names))
    };
    first_of(&IDENTITY_MEMBERS, &["email", "userEmail"])
        .or_else(|| first(data, &["user"]))
        .or_else(|| first_of(&["user", "profile"], &["name"]))
        .or_else(|| first_of(&IDENTITY_MEMBERS, &["name", "company"]))
}

/// The customer ID. A user's ID does not count.
fn customer_id(data: &Map<String, Value>) -> Option<String> {
    let number_of = |members: &[&str], name: &str| {
        objects(data, members).into_iter().find_map(|object| number(object, name))
    };
    number_of(&IDENTITY_MEMBERS, "customerId").or_else(|| number_of(&["customer", "account"], "id"))
}

/// The response itself, and each of these members that is an object.
fn objects<'a>(data: &'a Map<String, Value>, members: &[&str]) -> Vec<&'a Map<String, Value>> {
    let nested = members.iter().filter_map(|name| data.get(*name)?.as_object());
    std::iter::once(data).chain(nested).collect()
}

/// The first of these members with readable text.
fn first(object: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| readable(object.get(*name)?.as_str()?))
}

/// A number, written as a number or as text.
fn number(object: &Map<String, Value>, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::Number(number) => readable(&number.to_string()),
        other => readable(other.as_str()?),
    }
}

/// Text that is safe in a sentence: on one line, without invisible or direction marks, and of limited length.
fn readable(text: &str) -> Option<String> {
    let mut kept =
        text.chars().filter(|c| !c.is_control() && !is_invisible(*c)).skip_while(|c| c.is_whitespace());
    let mut name: String = kept.by_ref().take(MAX_NAME_CHARS).collect();
    name.truncate(name.trim_end().len());
    if kept.next().is_some() {
        name.push('…');
    }
    (!name.is_empty()).then_some(name)
}

/// Line and paragraph separators, zero-width characters and direction marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn say(data: &Value) -> String {
        sentence(data.as_object().unwrap(), false)
    }

    #[test]
    fn the_promised_sentence_uses_the_best_name_available() {
        for (data, said) in [
            (
                json!({"email": "a@b.example", "customerId": 7, "company": "B"}),
                "a@b.example (Customer ID: 7)",
            ),
            (json!({"userEmail": "a@b.example", "customerId": "7"}), "a@b.example (Customer ID: 7)"),
            (json!({"user": "a@b.example", "customerId": 7}), "a@b.example (Customer ID: 7)"),
            (
                json!({"user": {"email": "a@b.example", "name": "A", "id": 1}, "customerId": 7}),
                "a@b.example (Customer ID: 7)",
            ),
            (
                json!({"name": "A", "user": {"userEmail": "a@b.example"}, "id": 7}),
                "a@b.example (Customer ID: 7)",
            ),
            (json!({"account": {"email": "a@b.example", "id": 7}}), "a@b.example (Customer ID: 7)"),
            (json!({"customer": {"id": 7, "company": "B"}, "user": {"name": "A"}}), "A (Customer ID: 7)"),
            (json!({"user": {"name": "A", "customerId": 7, "id": 1}}), "A (Customer ID: 7)"),
            (json!({"name": "A", "customerId": 7}), "A (Customer ID: 7)"),
            (json!({"company": "B", "customerId": 7}), "B (Customer ID: 7)"),
            (json!({"company": {"name": "B"}, "customerId": 7}), "B (Customer ID: 7)"),
            // Responses of v2, then v1.
            (json!({"id": 7, "company": "B", "name": "", "role": "ADMIN"}), "B (Customer ID: 7)"),
            (json!({"authenticated": true, "customerId": 7}), "customer 7 (Customer ID: 7)"),
            // Empty members are skipped.
            (
                json!({"email": "", "userEmail": null, "user": {"email": " \n"}, "name": "A", "customerId": 7}),
                "A (Customer ID: 7)",
            ),
            (
                json!({"email": null, "user": null, "name": [], "company": 5, "customerId": 7}),
                "customer 7 (Customer ID: 7)",
            ),
            (json!({"user": {"id": 1}, "customerId": ""}), ""),
            (json!({"email": "a@b.example"}), "a@b.example"),
        ] {
            let expected = if said.is_empty() {
                "; Scope3 did not say as whom".to_owned()
            } else {
                format!(" as {said}")
            };
            let said = say(&data);
            assert_eq!(said.split(". ").next(), Some(&*format!("✅ Authenticated{expected}")), "{data}");
        }
        assert!(say(&json!({"authenticated": false, "customerId": 7})).starts_with("❌ Not authenticated"));
    }

    #[test]
    fn the_company_and_the_role_follow_where_v2_gives_them() {
        for (data, said) in [
            (
                json!({"id": 7, "company": "B", "name": "A", "role": "ADMIN"}),
                "A (Customer ID: 7). Company: B. Role: ADMIN",
            ),
            (json!({"id": 7, "company": "B", "name": "B", "role": "USER"}), "B (Customer ID: 7). Role: USER"),
            (json!({"id": 7, "company": "B", "name": ""}), "B (Customer ID: 7)"),
        ] {
            assert_eq!(say(&data), format!("✅ Authenticated as {said}"));
        }
    }

    #[test]
    fn repeated_names_are_short_and_on_one_line() {
        let data =
            json!({"email": "a\u{1b}[31m@b\r\n\u{202e}.exam\u{0}ple\u{200b}\u{2028}", "customerId": "7\n8"});
        assert_eq!(say(&data), "✅ Authenticated as a[31m@b.example (Customer ID: 78)");
        let long = json!({"email": "ü".repeat(3_000_000), "customerId": "9".repeat(3_000_000)});
        let said = say(&long);
        assert!(said.len() < 600 && said.contains("ü… (Customer ID: 9"), "{said}");
        let fits = "a".repeat(MAX_NAME_CHARS);
        assert_eq!(say(&json!({ "email": fits })), format!("✅ Authenticated as {fits}"));
    }

    #[test]
    fn the_sandbox_identifies_itself() {
        let data = json!({"email": "a@b.example", "customerId": 7});
        let said = sentence(data.as_object().unwrap(), true);
        let (promised, more) = said.split_once(". ").unwrap();
        assert_eq!(promised, "✅ Authenticated as a@b.example (Customer ID: 7)");
        assert!(more.contains("sandbox"), "{more}");
    }
}
