//! What a person reads before a call that needs consent: what will happen, to what, for how much.

use scope3_mcp_catalog::{
    CONFIRMATION, Catalog, Commitment, Entry, MoneyUnit, ReadOf, Removes, Spends, Subject, in_words,
    money_in_words_of, same_id,
};
use scope3_mcp_client::PreparedRequest;
use serde_json::{Map, Value};

use crate::{
    Backend, Gateway,
    budget::{self, Amount},
    caller::Call,
    journal::Spender,
    record::CallRecord,
    surfaces::Api,
};

/// The longest name that a question shows, the longest text among the arguments (a SHA-256 fits), and the longest list of
/// arguments, in characters.
const MAX_NAME_CHARACTERS: usize = 80;
const MAX_TEXT_CHARACTERS: usize = 64;
const MAX_ARGUMENTS_CHARACTERS: usize = 400;

/// The most removed items that a question names.
const MAX_REMOVED: usize = 10;

/// What a question is about.
pub(super) struct Matter<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) entry: &'a Entry,
    /// The API of the tool, if it has one.
    pub(super) api: Option<&'a Api>,
    /// The arguments, without secrets and deceptive characters.
    pub(super) arguments: &'a Map<String, Value>,
    /// What the call commits, if that is known.
    pub(super) commitment: Option<Commitment>,
    /// The cap of the day, if there is one.
    pub(super) day: Option<Amount>,
    /// Why a rule of the operator asks for consent.
    pub(super) reason: Option<&'a str>,
}

impl Gateway {
    /// Writes the question. Names are read from Scope3, and quoted on one line: they are data, not words of this server.
    pub(super) async fn question(
        &self,
        call: &Call,
        matter: &Matter<'_>,
        spender: Spender,
        record: &mut CallRecord,
    ) -> String {
        let Matter { entry, arguments, .. } = *matter;
        let place = match self.target {
            Backend::Production => "",
            Backend::Staging => " in Scope3's staging environment",
            Backend::Sandbox => " in the sandbox",
        };
        let customer = matter.api.and_then(|api| api.client.customer());
        let customer = customer.map(|(_, id)| format!(" for customer {id}")).unwrap_or_default();
        let mut lines = vec![format!("{}{customer}{place}? ({})", entry.tool.title, entry.tool.name)];
        if let Some(subject) = &entry.tool.subject
            && let Some(id) = arguments.get(&*subject.id)
        {
            lines.push(self.subject(call, matter, subject, id, record).await);
        }
        if let Some(removes) = &entry.tool.removes
            && arguments.contains_key(&*removes.argument)
        {
            let present = self.read_objects(call, matter, &removes.from, record).await;
            lines.push(removed(removes, present.as_deref(), arguments));
        }
        let found = matter.commitment.as_ref();
        let currency = found.map(|found| &*found.currency);
        if let Some(amount) = money_in_words_of(&entry.tool, arguments, currency) {
            let before = found.and_then(|found| Some((found.before?, &found.currency)));
            let before = before.map(|(before, currency)| format!(", before: {}", in_words(before, currency)));
            lines.push(format!("Amount: {amount}{}", before.unwrap_or_default()));
        } else if let Some(found) = found.filter(|found| found.hundredths > 0) {
            lines.push(format!("Amount: {}", in_words(found.hundredths, &found.currency)));
        }
        if let Some(day) = &matter.day {
            let currency = day.currency().to_owned();
            let since = budget::start_of_day();
            if let Ok(committed) = self.limits.observe(self.state.committed(spender, since, currency).await) {
                lines.push(format!("Left today: {} of {day}", day.less(committed).without_currency()));
            }
        }
        lines.extend(other_arguments(entry, arguments));
        lines.extend(entry.tool.consequence.as_deref().map(str::to_owned));
        lines.extend(entry.tool.reasons(arguments).map(|reason| format!("{}.", capitalized(reason))));
        lines.extend(matter.reason.map(|reason| format!("The operator asks for consent: {reason}")));
        lines.join("\n")
    }

    /// Names the object that a call is about: `Campaign: "Open Trails" (campaign_1)`.
    async fn subject(
        &self,
        call: &Call,
        matter: &Matter<'_>,
        subject: &Subject,
        id: &Value,
        record: &mut CallRecord,
    ) -> String {
        let found = match &subject.from {
            Some(from) => self.read_objects(call, matter, from, record).await,
            None => None,
        };
        let is_it = |object: &&Value| match subject.from.as_ref().and_then(|from| from.key.as_ref()) {
            Some(key) => object.get(&**key).is_some_and(|its| same_id(its, id)),
            None => true,
        };
        let object = found.iter().flatten().find(is_it);
        let name = object.and_then(|object| at(object, &subject.name)?.as_str());
        let kind = capitalized(&subject.kind);
        let id = excerpt(&unquoted(id), MAX_NAME_CHARACTERS);
        let more = subject.shows.iter().filter_map(|path| Some((path, at(object?, path)?)));
        let more: Vec<String> = more.map(|(path, value)| format!(", {path}: {}", shown(value))).collect();
        let more = more.concat();
        match name {
            Some(name) => format!("{kind}: {} ({id}){more}", quoted(name)),
            None if !more.is_empty() => format!("{kind}: {id}{more}"),
            None => format!("{kind}: {id} (its name cannot be read)"),
        }
    }

    /// Reads the objects that a catalog entry names. `None` if they cannot be read.
    pub(super) async fn read_objects(
        &self,
        call: &Call,
        matter: &Matter<'_>,
        from: &ReadOf,
        record: &mut CallRecord,
    ) -> Option<Vec<Value>> {
        let passed_on = from
            .with
            .iter()
            .filter_map(|name| Some((name.to_string(), matter.arguments.get(&**name)?.clone())));
        let data = self.read_for(call, matter, &from.read, passed_on.collect(), record).await?;
        match at(&Value::Object(data), &from.object)? {
            Value::Array(items) => Some(items.clone()),
            object => Some(vec![object.clone()]),
        }
    }

    /// Reads what tells how much a call commits. `None` if it cannot be read.
    pub(super) async fn read_spends(
        &self,
        call: &Call,
        matter: &Matter<'_>,
        spends: &Spends,
        record: &mut CallRecord,
    ) -> Option<Map<String, Value>> {
        let arguments = spends.arguments_of(matter.arguments)?;
        self.read_for(call, matter, &spends.tool, arguments, record).await
    }

    /// Reads with another tool what a call is about. It takes no further permit of a call.
    async fn read_for(
        &self,
        call: &Call,
        matter: &Matter<'_>,
        tool: &str,
        arguments: Map<String, Value>,
        record: &mut CallRecord,
    ) -> Option<Map<String, Value>> {
        let (read, api) = (matter.catalog.get(tool)?, matter.api?);
        let request = read.tool.request.as_ref()?;
        let request = PreparedRequest::new(api.client.base(), request, arguments).ok()?;
        match self.send(call, read, api, &request, record).await {
            Ok(answer) => Some(answer.data),
            Err(error) => {
                tracing::debug!(read = tool, %error, "cannot read what a call is about");
                None
            }
        }
    }
}

/// What a call removes that replaces a list: `Removes 2 of 14: "a.example", "b.example"`.
fn removed(removes: &Removes, present: Option<&[Value]>, arguments: &Map<String, Value>) -> String {
    let Some(present) = present else {
        return "What the new list leaves out is removed; the present list cannot be read.".to_owned();
    };
    let (lost, count) = removes.removed(present, arguments);
    if lost.is_empty() {
        return format!("Removes none of the {count} present items.");
    }
    let named = lost.iter().take(MAX_REMOVED).map(|item| {
        let members: Vec<String> = item.iter().flatten().map(|value| shown(value)).collect();
        members.join(" ")
    });
    let named: Vec<String> = named.collect();
    let more = lost.len().saturating_sub(MAX_REMOVED);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("Removes {} of {count}: {}{more}", lost.len(), named.join(", "))
}

/// A value of Scope3's on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        value => excerpt(&value.to_string(), MAX_NAME_CHARACTERS),
    }
}

/// The value at a path such as `campaign.name`. The empty path is that of the value itself.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(value, |value, step| value.get(step))
}

/// The arguments that the question does not show otherwise, as JSON.
fn other_arguments(entry: &Entry, arguments: &Map<String, Value>) -> Option<String> {
    let mut others = arguments.clone();
    others.shift_remove(CONFIRMATION);
    if let Some(subject) = &entry.tool.subject {
        others.shift_remove(&*subject.id);
    }
    let mut unit = "";
    if let Some(money) = &entry.tool.money {
        // In a list, each amount belongs to its item.
        for path in [Some(&money.amount), money.currency.as_ref()].into_iter().flatten() {
            remove(&mut others, path);
        }
        if money.unit == MoneyUnit::Hundredths {
            unit = " (amounts in hundredths)";
        }
    }
    others.values_mut().for_each(shorten);
    (!others.is_empty()).then(|| {
        format!("Arguments{unit}: {}", excerpt(&Value::Object(others).to_string(), MAX_ARGUMENTS_CHARACTERS))
    })
}

/// Removes the member at a path such as `budget.total`, and what is empty then.
fn remove(members: &mut Map<String, Value>, path: &str) {
    match path.split_once('.') {
        None => drop(members.shift_remove(path)),
        Some((first, rest)) => {
            if let Some(Value::Object(inner)) = members.get_mut(first) {
                remove(inner, rest);
                if inner.is_empty() {
                    members.shift_remove(first);
                }
            }
        }
    }
}

/// Shortens each long text in a value.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = excerpt(text, MAX_TEXT_CHARACTERS),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text of Scope3's or a caller's as data: on one line, in quotation marks.
fn quoted(text: &str) -> String {
    Value::from(excerpt(text, MAX_NAME_CHARACTERS)).to_string()
}

fn unquoted(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| quoted(text).trim_matches('"').to_owned())
}

fn excerpt(text: &str, max_characters: usize) -> String {
    match text.char_indices().nth(max_characters) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text.to_owned(),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
