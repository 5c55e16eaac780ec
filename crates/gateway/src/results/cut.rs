//! Cuts a result that is too long for a model, at whole items.

use serde_json::{Map, Value, json};

use super::estimate;

/// The most that the note about what was cut lists.
const MAX_CUTS: usize = 20;

/// The fewest tokens that a part is cut to. Smaller parts would say nothing.
const MIN_SHARE: usize = 16;

/// A part of a result of which only the beginning is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Where it is, such as `campaigns[3].creatives`.
    path: String,
    /// How many items, members or characters are shown.
    shown: usize,
    /// How many there are.
    total: usize,
}

/// Cuts a result to about this many tokens. Returns what was cut; the short parts of the result stay complete.
pub(crate) fn cut(data: &mut Map<String, Value>, budget: usize) -> Vec<Cut> {
    let mut cuts = Vec::new();
    fit_members(data, budget, "", &mut cuts);
    cuts
}

/// What was cut, for the caller.
pub(crate) fn in_words(cuts: &[Cut]) -> Value {
    let listed = cuts
        .iter()
        .take(MAX_CUTS)
        .map(|Cut { path, shown, total }| json!({ "path": path, "shown": shown, "total": total }));
    listed.collect()
}

fn fit(value: &mut Value, budget: usize, path: &str, cuts: &mut Vec<Cut>) {
    if estimate::of_value(value) <= budget {
        return;
    }
    match value {
        Value::Object(members) => fit_members(members, budget, path, cuts),
        Value::Array(items) => fit_items(items, budget, path, cuts),
        Value::String(text) => fit_text(text, budget, path, cuts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Keeps small members whole, and shares what is left among the large ones.
fn fit_members(members: &mut Map<String, Value>, budget: usize, path: &str, cuts: &mut Vec<Cut>) {
    let mut sizes: Vec<(usize, String)> =
        members.iter().map(|(name, value)| (estimate::of_member(name, value), name.clone())).collect();
    sizes.sort_unstable();
    let mut left = budget;
    for (position, (size, name)) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - position);
        if *size > share
            && let Some(value) = members.get_mut(name)
        {
            let share = share.saturating_sub(estimate::of_text(name) + 2).max(MIN_SHARE);
            fit(value, share, &join(path, name), cuts);
        }
        let now = members.get(name).map_or(0, |value| estimate::of_member(name, value));
        left = left.saturating_sub(now);
    }
    let mut spent = 0;
    let total = members.len();
    // An object of very many members is a list with names. Its members are too small to be cut themselves.
    let most = budget + budget / 4 + MIN_SHARE;
    let fits = |size: usize| spent_within(&mut spent, size, most);
    let keep: Vec<bool> =
        members.iter().map(|(name, value)| estimate::of_member(name, value)).map(fits).collect();
    let mut keep = keep.into_iter();
    members.retain(|_, _| keep.next().unwrap_or(false));
    if members.len() < total {
        cuts.push(Cut { path: path.to_owned(), shown: members.len(), total });
    }
}

fn fit_items(items: &mut Vec<Value>, budget: usize, path: &str, cuts: &mut Vec<Cut>) {
    let mut spent = 0;
    let total = items.len();
    let kept = items.iter().take_while(|item| spent_within(&mut spent, estimate::of_value(item) + 1, budget));
    let kept = kept.count();
    if kept == 0
        && let Some(first) = items.first_mut()
    {
        fit(first, budget, &format!("{path}[0]"), cuts);
    }
    items.truncate(kept.max(1));
    if items.len() < total {
        cuts.push(Cut { path: path.to_owned(), shown: items.len(), total });
    }
}

fn fit_text(text: &mut String, budget: usize, path: &str, cuts: &mut Vec<Cut>) {
    let total = text.chars().count();
    let mut spent = 0;
    let mut end = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        // A single word can be longer than the budget.
        let size = estimate::of_text(word);
        if !spent_within(&mut spent, size, budget) {
            if end == 0 {
                end = word.char_indices().nth(budget * 2).map_or(word.len(), |(at, _)| at);
            }
            break;
        }
        end += word.len();
    }
    text.truncate(end);
    let shown = text.chars().count();
    text.push('…');
    cuts.push(Cut { path: path.to_owned(), shown, total });
}

/// Adds to what was spent, if it fits.
fn spent_within(spent: &mut usize, size: usize, budget: usize) -> bool {
    *spent = spent.saturating_add(size);
    *spent <= budget
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn data(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_result_that_fits_stays_as_it_is() {
        let original = data(json!({ "a": [1, 2, 3], "b": { "c": "text" } }));
        let mut shown = original.clone();
        assert_eq!(cut(&mut shown, 100), []);
        assert_eq!(shown, original);
    }

    #[test]
    fn a_long_list_is_cut_at_whole_items_and_the_rest_stays() {
        let items: Vec<Value> = (0..500).map(|id| json!({ "id": id, "name": "a campaign" })).collect();
        let original = data(json!({ "count": 500, "campaigns": items, "message": "500 campaigns" }));
        let mut shown = original.clone();
        let cuts = cut(&mut shown, 300);
        assert_eq!((&shown["count"], &shown["message"]), (&original["count"], &original["message"]));
        let kept = shown["campaigns"].as_array().unwrap();
        assert!(kept.len() > 10 && kept[..] == original["campaigns"].as_array().unwrap()[..kept.len()]);
        assert_eq!(cuts, [Cut { path: "campaigns".to_owned(), shown: kept.len(), total: 500 }]);
    }

    #[test]
    fn what_is_long_within_one_item_is_cut_too() {
        let long = "word ".repeat(5_000);
        let mut shown = data(json!({ "items": [{ "id": 7, "text": long }] }));
        let cuts = cut(&mut shown, 200);
        assert_eq!(shown["items"][0]["id"], 7);
        assert!(shown["items"][0]["text"].as_str().unwrap().len() < 2_000);
        assert_eq!(cuts[0].path, "items[0].text");
        let mut one_word = data(json!({ "text": "x".repeat(100_000) }));
        cut(&mut one_word, 200);
        assert!(one_word["text"].as_str().unwrap().len() < 2_000);
    }

    #[test]
    fn an_object_of_very_many_members_is_cut() {
        let members: Map<String, Value> = (0..10_000).map(|id| (format!("id{id}"), json!(id))).collect();
        let mut shown = data(json!({ "byId": members }));
        let cuts = cut(&mut shown, 300);
        assert!(shown["byId"].as_object().unwrap().len() < 100);
        assert_eq!((cuts[0].path.as_str(), cuts[0].total), ("byId", 10_000));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(5, 200, 12, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
                prop::collection::hash_map("[a-z]{1,8}", inner, 0..12)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_cut_fits_and_is_listed(value in any_value(), budget in 150_usize..2_000) {
            let original = data(json!({ "data": value }));
            let mut shown = original.clone();
            let cuts = cut(&mut shown, budget);
            prop_assert_eq!(cuts.is_empty(), shown == original);
            let size = estimate::of_value(&Value::Object(shown));
            prop_assert!(size <= budget * 2, "{} tokens instead of {}", size, budget);
        }
    }
}
