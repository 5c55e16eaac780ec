//! What an entry says about one call and its response.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Effect, EffectWhen, Partial, Spends,
    tool::Tool,
    words::{steps, values_at},
};

/// What stands for a secret where others can read it.
const REDACTED: &str = "(secret)";

impl<Input> Tool<Input> {
    /// The effect of a call with these arguments: the strongest of the tool's own and those of its arguments.
    #[must_use]
    pub fn effect_of(&self, arguments: &Map<String, Value>) -> Effect {
        self.strengthened_by(arguments)
            .map(|when| when.effect)
            .chain([self.effect])
            .max()
            .unwrap_or(self.effect)
    }

    /// The effects of a call with these arguments that a rule can be about: all of those that can delete or spend, or else
    /// the strongest.
    #[must_use]
    pub fn effects_of(&self, arguments: &Map<String, Value>) -> BTreeSet<Effect> {
        let strengthened = self.strengthened_by_any(arguments).map(|when| when.effect);
        let mut effects: BTreeSet<Effect> = strengthened.chain([self.effect]).collect();
        let strongest = effects.last().copied().unwrap_or(self.effect);
        effects.retain(|effect| *effect == strongest || *effect >= Effect::Delete);
        effects
    }

    /// The effects that some call can have.
    pub fn possible_effects(&self) -> impl Iterator<Item = Effect> {
        let effects: BTreeSet<Effect> =
            self.effect_when.iter().map(|when| when.effect).chain([self.effect]).collect();
        effects.into_iter()
    }

    /// The strongest effect that a call can have.
    #[must_use]
    pub fn strongest_effect(&self) -> Effect {
        self.effect_when.iter().map(|when| when.effect).chain([self.effect]).max().unwrap_or(self.effect)
    }

    /// The entries of `effect_when` that apply to these arguments and are stronger than the tool's own effect.
    pub fn strengthened_by<'t>(
        &'t self,
        arguments: &Map<String, Value>,
    ) -> impl Iterator<Item = &'t EffectWhen> {
        self.strengthened_by_any(arguments).filter(|when| when.effect > self.effect)
    }

    /// The entries of `effect_when` that apply to these arguments.
    fn strengthened_by_any<'t>(
        &'t self,
        arguments: &Map<String, Value>,
    ) -> impl Iterator<Item = &'t EffectWhen> {
        let arguments = Value::Object(arguments.clone());
        self.effect_when.iter().filter(move |when| when.applies_to(&arguments))
    }

    /// Why a call with these arguments has the effect that it has, where an argument is the reason.
    pub fn reasons<'t>(&'t self, arguments: &Map<String, Value>) -> impl Iterator<Item = &'t str> {
        let arguments = Value::Object(arguments.clone());
        let applies = move |when: &&EffectWhen| when.effect == self.effect && when.applies_to(&arguments);
        self.effect_when.iter().filter(applies).map(|when| &*when.because)
    }

    /// The arguments with those that only a person's consent may set.
    #[must_use]
    pub fn with_consent(&self, arguments: Map<String, Value>) -> Map<String, Value> {
        let mut arguments = Value::Object(arguments);
        for path in self.by_consent.iter() {
            let target = path.split('.').try_fold(&mut arguments, |value, step| {
                let members = value.as_object_mut()?;
                Some(members.entry(step).or_insert_with(|| Value::Object(Map::new())))
            });
            if let Some(target) = target {
                *target = true.into();
            }
        }
        match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        }
    }

    /// The arguments without secrets, for the journal, the log and previews.
    #[must_use]
    pub fn without_secrets(&self, arguments: &Map<String, Value>) -> Map<String, Value> {
        let mut arguments = arguments.clone();
        for path in self.secrets.iter() {
            change_at(&mut arguments, path, &mut |owner, name| {
                owner.insert(name.to_owned(), REDACTED.into());
            });
        }
        arguments
    }

    /// Removes from the data of a response what only repeats or bloats it.
    pub fn drop_from(&self, data: &mut Map<String, Value>) {
        for path in self.drop.iter() {
            change_at(data, path, &mut |owner, name| {
                owner.shift_remove(name);
            });
        }
    }

    /// How the data of a successful response reports that something failed inside.
    #[must_use]
    pub fn failures_in(&self, data: &Map<String, Value>) -> Vec<&Partial> {
        let data = Value::Object(data.clone());
        self.partial.iter().filter(|partial| partial.is_said_by(&data)).collect()
    }
}

impl EffectWhen {
    /// Whether the argument is given, with the value that has the effect.
    #[must_use]
    pub fn applies_to(&self, arguments: &Value) -> bool {
        let given = values_at(arguments, &self.argument);
        given.into_iter().any(|value| self.is.as_ref().is_none_or(|expected| expected.matches(value)))
    }
}

impl Spends {
    /// The arguments of the read for a call with these arguments. `None` if the call does not name what it is about.
    #[must_use]
    pub fn arguments_of(&self, arguments: &Map<String, Value>) -> Option<Map<String, Value>> {
        let arguments = Value::Object(arguments.clone());
        let found = self.arguments.iter().map(|(name, path)| {
            let value = values_at(&arguments, path).first().map(|value| Value::clone(value))?;
            Some((name.to_string(), value))
        });
        found.collect()
    }
}

/// Calls `change` with each object that has the last member of a path, and with the member's name.
fn change_at(
    value: &mut Map<String, Value>,
    path: &str,
    change: &mut dyn FnMut(&mut Map<String, Value>, &str),
) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (name, lists) = steps(first);
    let Some(rest) = rest else {
        if value.contains_key(name) {
            change(value, name);
        }
        return;
    };
    let mut level: Vec<&mut Value> = value.get_mut(name).into_iter().collect();
    for _ in 0..lists {
        level = level.into_iter().filter_map(Value::as_array_mut).flatten().collect();
    }
    level.into_iter().filter_map(Value::as_object_mut).for_each(|object| change_at(object, rest, change));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Catalog, EntryRef, Surface};

    fn tool(name: &str) -> EntryRef {
        Catalog::embedded().get(name).unwrap().clone()
    }

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_argument_can_make_a_call_stronger() {
        for (name, arguments, expected) in [
            ("update_campaign", json!({ "campaignId": "c", "name": "n" }), Effect::Write),
            ("update_campaign", json!({ "campaignId": "c", "budget": { "total": 5 } }), Effect::Spend),
            ("update_campaign", json!({ "mediaBuys": [{ "action": "update" }] }), Effect::Write),
            (
                "update_campaign",
                json!({ "mediaBuys": [{ "action": "update" }, { "action": "cancel" }] }),
                Effect::Delete,
            ),
            ("update_campaign", json!({ "optimizationApplyMode": "AUTO" }), Effect::Spend),
            ("update_campaign", json!({ "optimizationApplyMode": "MANUAL" }), Effect::Write),
            ("update_campaign", json!({ "catalogId": null }), Effect::Delete),
            ("update_campaign", json!({ "storefrontIds": [] }), Effect::Delete),
            ("update_campaign", json!({ "storefrontIds": [1] }), Effect::Write),
            ("create_media_buys_batch", json!({ "mode": "stage" }), Effect::Write),
            ("create_media_buys_batch", json!({ "mode": "execute" }), Effect::Spend),
            ("campaign_create", json!({}), Effect::Spend),
        ] {
            assert_eq!(tool(name).tool.effect_of(&object(arguments.clone())), expected, "{name} {arguments}");
        }
        assert_eq!(tool("update_campaign").tool.strongest_effect(), Effect::Spend);
    }

    #[test]
    fn every_entry_names_arguments_that_exist_and_effects_that_are_stronger() {
        for entry in Catalog::embedded().entries().filter(|entry| entry.surface == Surface::Buyer) {
            let tool = &entry.tool;
            let spends = tool.spends.iter().flat_map(|spends| spends.arguments.iter().map(|(_, path)| path));
            for path in spends {
                assert!(entry.schema_at(path).is_ok(), "{}: {path}", tool.name);
            }
            for when in tool.effect_when.iter() {
                assert!(when.effect > tool.effect, "{}: {} is not stronger", tool.name, when.argument);
            }
        }
    }

    #[test]
    fn consent_sets_what_models_cannot() {
        let given = object(json!({ "campaignId": "c" }));
        let sent = tool("bulk_update_creatives").tool.with_consent(given.clone());
        assert_eq!(Value::from(sent), json!({ "campaignId": "c", "confirm_partial_batch": true }));
        assert_eq!(tool("get_campaign").tool.with_consent(given.clone()), given);
    }

    #[test]
    fn secrets_are_redacted_wherever_they_are() {
        let given = object(json!({ "auth": { "type": "bearer", "token": "s3cret", "password": "p4ss" } }));
        let shown = Value::from(tool("register_source_credentials").tool.without_secrets(&given));
        assert!(!shown.to_string().contains("s3cret") && !shown.to_string().contains("p4ss"), "{shown}");
        assert_eq!(shown["auth"]["type"], "bearer");
        let mut list = object(json!({ "a": [{ "b": [{ "c": 1, "d": 2 }] }, { "e": 3 }] }));
        change_at(&mut list, "a[].b[].c", &mut |owner, name| drop(owner.shift_remove(name)));
        assert_eq!(Value::from(list), json!({ "a": [{ "b": [{ "d": 2 }] }, { "e": 3 }] }));
    }

    #[test]
    fn a_success_that_hides_a_failure_is_found() {
        let failures = |name: &str, data: Value| tool(name).tool.failures_in(&object(data)).len();
        assert_eq!(failures("execute_campaign", json!({ "success": true, "errors": [] })), 0);
        assert!(
            failures("execute_campaign", json!({ "success": false, "errors": [{ "message": "m" }] })) >= 2
        );
        assert!(failures("pause_campaign", json!({ "failureCount": 2 })) >= 1);
        assert_eq!(failures("pause_campaign", json!({ "failureCount": 0 })), 0);
    }

    #[test]
    fn the_read_of_an_amount_gets_the_arguments_of_the_call() {
        let spends = tool("execute_campaign").tool.spends.clone().unwrap();
        let arguments = spends.arguments_of(&object(json!({ "campaignId": "c", "debug": true }))).unwrap();
        assert_eq!((&*spends.tool, Value::from(arguments)), ("get_campaign", json!({ "campaignId": "c" })));
        assert_eq!(spends.arguments_of(&Map::new()), None);
    }

    #[test]
    fn what_bloats_a_response_is_dropped() {
        for entry in Catalog::embedded().entries().filter(|entry| !entry.tool.drop.is_empty()) {
            let mut data = object(json!({ "kept": 1 }));
            entry.tool.drop_from(&mut data);
            assert_eq!(Value::from(data), json!({ "kept": 1 }));
        }
    }
}
