//! The sentence that Scope3's documents promise for `check_auth_status`.

use serde_json::{Map, Value};

/// `✅ Authenticated as user@company.com (Customer ID: 12345)`, with the best name that the answer has: an address,
/// a person or company, or the customer's number alone, which is all that v1 gives.
pub(crate) fn sentence(data: &Map<String, Value>) -> String {
    let text = |names: &[&str]| {
        names.iter().find_map(|name| match data.get(*name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        })
    };
    let id = ["customerId", "id"].iter().find_map(|name| match data.get(*name)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    });
    let who = text(&["email", "userEmail", "name", "company"]);
    match (who, id) {
        (Some(who), Some(id)) => format!("✅ Authenticated as {who} (Customer ID: {id})"),
        (Some(who), None) => format!("✅ Authenticated as {who}"),
        (None, Some(id)) => format!("✅ Authenticated as customer {id} (Customer ID: {id})"),
        (None, None) => "✅ Authenticated; Scope3 did not say as whom".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn say(data: Value) -> String {
        sentence(data.as_object().unwrap())
    }

    #[test]
    fn the_promised_sentence_takes_the_best_name_there_is() {
        let full = json!({"email": "user@company.com", "customerId": 12345, "company": "Company"});
        assert_eq!(say(full), "✅ Authenticated as user@company.com (Customer ID: 12345)");
        let v2 = json!({"id": 7, "company": "Acme", "name": "", "role": "admin"});
        assert_eq!(say(v2), "✅ Authenticated as Acme (Customer ID: 7)");
        let v1 = json!({"authenticated": true, "customerId": 12345});
        assert_eq!(say(v1), "✅ Authenticated as customer 12345 (Customer ID: 12345)");
    }
}
