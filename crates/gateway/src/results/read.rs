//! Reads a part of a result that was too long: by path, page or text.

use scope3_mcp_catalog::nearest;
use serde_json::{Map, Value, json};

use super::{cut, estimate};

/// What a caller wants to read.
#[derive(Debug, Default)]
pub(crate) struct Part<'a> {
    /// Where it is, such as `campaigns[3].creatives`. Empty for all.
    pub(crate) path: &'a str,
    /// How many items to skip, or characters of a text.
    pub(crate) offset: usize,
    /// The maximum number of items.
    pub(crate) limit: Option<usize>,
    /// Only items that contain this text.
    pub(crate) contains: Option<&'a str>,
}

/// A path at which nothing is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The longest part of the path that exists.
    pub(crate) exists: String,
    /// What is there: names of members, or the number of items.
    pub(crate) there: Vec<String>,
    /// The name that was probably meant.
    pub(crate) nearest: Option<String>,
}

/// The maximum number of names that an error lists.
const MAX_NAMES: usize = 20;

/// Reads a part, in at most about this many tokens. The member `next` has the arguments for what follows.
pub(crate) fn read(
    id: &str,
    data: &Value,
    part: &Part<'_>,
    budget: usize,
) -> Result<Map<String, Value>, Missing> {
    let found = at(data, part.path)?;
    let mut answer = Map::new();
    answer.insert("path".to_owned(), part.path.into());
    let next = match found {
        Value::Array(items) => read_items(items, part, budget, &mut answer),
        Value::String(text) => read_text(text, part, budget, &mut answer),
        value => {
            let mut shown = Map::from_iter([("value".to_owned(), value.clone())]);
            let cuts = cut::cut(&mut shown, budget);
            answer.extend(shown);
            if !cuts.is_empty() {
                answer.insert("cut".to_owned(), cut::in_words(&cuts));
            }
            None
        }
    };
    if let Some(offset) = next {
        let mut arguments = json!({ "result": id, "path": part.path, "offset": offset });
        if let Some(limit) = part.limit {
            arguments["limit"] = limit.into();
        }
        if let Some(text) = part.contains {
            arguments["contains"] = text.into();
        }
        answer.insert("next".to_owned(), arguments);
    }
    Ok(answer)
}

/// Adds the items of a list. Returns where the next page begins.
fn read_items(
    items: &[Value],
    part: &Part<'_>,
    budget: usize,
    answer: &mut Map<String, Value>,
) -> Option<usize> {
    let wanted = part.contains.map(str::to_lowercase);
    let is_wanted =
        |item: &&Value| wanted.as_ref().is_none_or(|text| item.to_string().to_lowercase().contains(text));
    let matching: Vec<&Value> = items.iter().filter(is_wanted).collect();
    let mut spent = 0;
    let mut page: Vec<Value> = Vec::new();
    for item in matching.iter().skip(part.offset).take(part.limit.unwrap_or(usize::MAX)) {
        spent += estimate::of_value(item) + 1;
        if spent > budget && !page.is_empty() {
            break;
        }
        page.push((*item).clone());
    }
    let end = part.offset + page.len();
    let mut shown = Map::from_iter([("items".to_owned(), Value::Array(page))]);
    // A single item can be longer than a result.
    let cuts = if end == part.offset + 1 { cut::cut(&mut shown, budget) } else { Vec::new() };
    answer.insert("total".to_owned(), matching.len().into());
    answer.insert("offset".to_owned(), part.offset.into());
    answer.extend(shown);
    if let Some(deeper) = cuts.first() {
        answer.insert("cut".to_owned(), cut::in_words(std::slice::from_ref(deeper)));
    }
    (end < matching.len() && end > part.offset).then_some(end)
}

/// Adds a part of a text. Returns where the next part begins.
fn read_text(text: &str, part: &Part<'_>, budget: usize, answer: &mut Map<String, Value>) -> Option<usize> {
    let total = text.chars().count();
    // At least two characters are a token.
    let most = part.limit.unwrap_or(usize::MAX).min(budget * 2);
    let shown: String = text.chars().skip(part.offset).take(most).collect();
    let end = part.offset + shown.chars().count();
    answer.insert("total".to_owned(), total.into());
    answer.insert("offset".to_owned(), part.offset.into());
    answer.insert("text".to_owned(), shown.into());
    (end < total && end > part.offset).then_some(end)
}

/// What is at a path.
fn at<'a>(data: &'a Value, path: &str) -> Result<&'a Value, Missing> {
    let mut value = data;
    let mut exists = String::new();
    for step in steps(path) {
        let next = match step {
            Step::Member(name) => value.get(name),
            Step::Item(position) => value.get(position),
        };
        value = next.ok_or_else(|| missing(value, &exists, &step))?;
        match step {
            Step::Member(name) if exists.is_empty() => exists.push_str(name),
            Step::Member(name) => exists.extend([".", name]),
            Step::Item(position) => exists.extend(["[", &position.to_string(), "]"]),
        }
    }
    Ok(value)
}

enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

/// The steps of a path such as `a.b[3]`, or `a.b.3`.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    let parts = path.split(['.', '[', ']']).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_or(Step::Member(part), Step::Item))
}

fn missing(value: &Value, exists: &str, step: &Step<'_>) -> Missing {
    let (there, nearest) = match value {
        Value::Object(members) => {
            let names: Vec<String> = members.keys().take(MAX_NAMES).cloned().collect();
            let wanted = match step {
                Step::Member(name) => nearest(name, members.keys().map(String::as_str)).map(str::to_owned),
                Step::Item(_) => None,
            };
            (names, wanted)
        }
        Value::Array(items) => (vec![format!("a list of {} items", items.len())], None),
        _ => (vec!["a single value".to_owned()], None),
    };
    Missing { exists: exists.to_owned(), there, nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn campaigns() -> Value {
        let campaign = |id: usize| json!({ "id": id, "name": format!("campaign {id}"), "tags": ["a", "b"] });
        json!({ "count": 300, "campaigns": (0..300).map(campaign).collect::<Vec<_>>(), "text": "x".repeat(5_000) })
    }

    #[test]
    fn pages_follow_each_other_until_the_end() {
        let data = campaigns();
        let mut seen = Vec::new();
        let mut offset = 0;
        loop {
            let part = Part { path: "campaigns", offset, ..Part::default() };
            let answer = read("r", &data, &part, 500).unwrap();
            assert!(estimate::of_value(&Value::Object(answer.clone())) < 600);
            seen.extend(answer["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
            match answer.get("next") {
                Some(next) => offset = usize::try_from(next["offset"].as_u64().unwrap()).unwrap(),
                None => break,
            }
        }
        assert_eq!(seen, (0..300).map(Value::from).collect::<Vec<_>>());
    }

    #[test]
    fn a_part_is_found_by_path_and_by_text() {
        let data = campaigns();
        let one = read("r", &data, &Part { path: "campaigns[7].name", ..Part::default() }, 500).unwrap();
        assert_eq!(one["text"], "campaign 7");
        let part =
            Part { path: "campaigns", contains: Some("CAMPAIGN 29"), limit: Some(3), ..Part::default() };
        let answer = read("r", &data, &part, 500).unwrap();
        assert_eq!((&answer["total"], answer["items"].as_array().unwrap().len()), (&json!(11), 3));
        assert_eq!(
            answer["next"],
            json!({
                "result": "r", "path": "campaigns", "offset": 3, "limit": 3, "contains": "CAMPAIGN 29"
            })
        );
        let text = read("r", &data, &Part { path: "text", offset: 4_900, ..Part::default() }, 500).unwrap();
        assert_eq!((text["text"].as_str().unwrap().len(), text.get("next")), (100, None));
        let beyond =
            read("r", &data, &Part { path: "campaigns", offset: 900, ..Part::default() }, 500).unwrap();
        assert_eq!((&beyond["items"], beyond.get("next")), (&json!([]), None));
        assert_eq!(read("r", &data, &Part::default(), 10_000).unwrap()["value"]["count"], 300);
    }

    #[test]
    fn a_path_that_does_not_exist_is_answered_with_what_does() {
        let data = campaigns();
        let missing = |path: &str| read("r", &data, &Part { path, ..Part::default() }, 500).unwrap_err();
        assert_eq!(missing("campaign").nearest.as_deref(), Some("campaigns"));
        assert_eq!(missing("campaigns[300].id").there, ["a list of 300 items"]);
        assert_eq!(missing("campaigns[3].budget").exists, "campaigns[3]");
        assert_eq!(missing("count.x").there, ["a single value"]);
        assert_eq!(missing("😀[99999999999999999999]").exists, "");
    }
}
