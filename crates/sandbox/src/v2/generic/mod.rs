//! Operations without rules of their own, driven by their methods and paths: collections and their items, single objects,
//! and actions. The names of members that paths do not tell are in `shapes.json`.

mod place;
mod shapes;
mod things;

use scope3_mcp_catalog::Method;
use serde_json::{Map, Value, json};

pub(super) use self::things::{Object, Things};
use self::{
    place::Place,
    shapes::{Shape, shape},
};

use super::{
    call::Call,
    envelope::{Answer, Refusal, Reply},
    route::{Operation, Routes, Segment},
};

/// What an operation does, with the length of the path of its collection or object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    List,
    Get,
    Create(usize),
    /// Creates or changes several objects of a collection.
    Sync(usize),
    Update,
    Delete,
    GetSingle,
    UpdateSingle,
    DeleteSingle,
    /// Anything else, about an object or about nothing.
    Other,
}

impl Action {
    fn of(operation: &Operation, routes: &Routes, shape: &Shape) -> Self {
        let path = &operation.path;
        let above = path.len() - 1;
        let is_list =
            |other: &Operation| other.id.starts_with("list") || shapes::shape(&other.id).list.is_some();
        let last = match path.last() {
            Some(Segment::Literal(last)) => last.as_str(),
            _ => "",
        };
        match operation.method {
            Method::Get if is_list(operation) => Self::List,
            Method::Get if last.is_empty() => Self::Get,
            Method::Get => Self::GetSingle,
            Method::Put | Method::Patch if last.is_empty() => Self::Update,
            Method::Put | Method::Patch => Self::UpdateSingle,
            Method::Delete if last.is_empty() => Self::Delete,
            Method::Delete if routes.at(Method::Get, path).is_some() => Self::DeleteSingle,
            Method::Post if matches!(last, "create" | "create-child") => Self::Create(above),
            Method::Post if last == "sync" => Self::Sync(above),
            Method::Post
                if shape.list.is_none()
                    && (routes.at(Method::Get, path).is_some_and(is_list)
                        || routes.on_items(path).next().is_some()) =>
            {
                Self::Create(path.len())
            }
            Method::Delete | Method::Post => Self::Other,
        }
    }
}

/// The answer of a generic operation.
pub(super) fn answer(
    call: &mut Call<'_>,
    operation: &Operation,
    routes: &Routes,
    path: &[(String, String)],
) -> Answer {
    let shape = shape(&operation.id);
    let place = Place::of(operation, path);
    place.check_parents(call, operation, routes)?;
    match Action::of(operation, routes, &shape) {
        Action::List => Ok(list(call, &place, &shape)),
        Action::Get => {
            let object = place.item(call)?.clone();
            Ok(Reply::of(shape.answer(object)))
        }
        Action::Create(length) => Ok(create(call, operation, routes, &place, length, &shape)),
        Action::Sync(length) => Ok(sync(call, &place.up_to(length), &shape)),
        Action::Update => {
            let (change, now) = (changes(call, operation, &shape), call.account.tick());
            let object = place.item_mut(call)?;
            things::merge(object, change);
            object.insert("updatedAt".to_owned(), json!(now));
            let object = object.clone();
            Ok(Reply::of(shape.answer(object)))
        }
        Action::Delete => {
            call.account.tick();
            let (collection, id) = place.split();
            if !call.account.things.retain(&collection, |other| other != id) {
                return Err(Refusal::not_found("Object", &id));
            }
            Ok(Reply::of(shape.answer(Map::from_iter([("id".to_owned(), id.into())]))))
        }
        Action::GetSingle => {
            let mut object = call.account.things.single(&place.whole()).clone();
            object.extend(parents(call, path));
            Ok(Reply::of(shape.answer(object)))
        }
        Action::UpdateSingle => {
            let change = changes(call, operation, &shape);
            let now = call.account.tick();
            let object = call.account.things.single(&place.whole());
            things::merge(object, change);
            object.insert("updatedAt".to_owned(), json!(now));
            let mut object = object.clone();
            object.extend(parents(call, path));
            Ok(Reply::of(shape.answer(object)))
        }
        Action::DeleteSingle => {
            call.account.tick();
            let object = std::mem::take(call.account.things.single(&place.whole()));
            Ok(Reply::of(shape.answer(object)))
        }
        Action::Other => Ok(other(call, operation, &place, &shape, path)),
    }
}

impl Shape {
    /// The answer with this object.
    fn answer(&self, object: Object) -> Value {
        let mut data = self.with.clone();
        match &self.wrap {
            Some(name) => drop(data.insert(name.clone(), object.into())),
            None => data.extend(object),
        }
        data.into()
    }
}

/// The name of a collection's list in answers, such as `eventSources` for `event-sources`.
fn camel(collection: &str) -> String {
    let mut words = collection.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, rest) = word.split_at(word.len().min(1));
        name + &head.to_uppercase() + rest
    })
}

/// The ids in the path, as numbers where the schema says so.
fn parents(call: &Call<'_>, path: &[(String, String)]) -> Object {
    let typed = |(name, text): &(String, String)| {
        let value = call.arguments.get(name).cloned();
        (name.clone(), value.unwrap_or_else(|| text.clone().into()))
    };
    path.iter().map(typed).collect()
}

/// The members of the body without secrets, and what the operation sets.
fn changes(call: &Call<'_>, operation: &Operation, shape: &Shape) -> Object {
    let mut change = operation.entry.tool.without_secrets(&call.arguments.body());
    change.extend(shape.set.clone());
    change
}

/// Arguments that choose a part of a list, and not some of its items.
const PAGING: [&str; 5] = ["take", "skip", "limit", "offset", "cursor"];

fn list(call: &mut Call<'_>, place: &Place<'_>, shape: &Shape) -> Reply {
    let wanted: Vec<(String, Value)> = call
        .arguments
        .outside_body()
        .filter(|(name, _)| !PAGING.contains(name))
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
    let fits = |object: &&Object| {
        wanted.iter().all(|(name, value)| match (object.get(name), value) {
            (None, _) => true,
            (Some(stored), Value::Array(any)) => any.iter().any(|one| text(one) == text(stored)),
            (Some(stored), one) => text(one) == text(stored),
        })
    };
    let whole = place.whole();
    let items: Vec<Value> =
        call.account.things.all(&whole).filter(fits).cloned().map(Value::Object).collect();
    let name = shape.list.clone().unwrap_or_else(|| {
        camel(
            &place
                .segments
                .iter()
                .rev()
                .find(|(segment, _)| !segment.is_template())
                .map(|(_, text)| text.clone())
                .unwrap_or_default(),
        )
    });
    if name.is_empty() {
        return Reply::of(items.into());
    }
    let mut reply = call.list(&name, items);
    if let Value::Object(data) = &mut reply.data {
        data.extend(shape.with.clone());
        if let (Some(name), Some(total)) = (&shape.total, data.shift_remove("total")) {
            data.insert(name.clone(), total);
        }
    }
    reply
}

fn create(
    call: &mut Call<'_>,
    operation: &Operation,
    routes: &Routes,
    place: &Place<'_>,
    length: usize,
    shape: &Shape,
) -> Reply {
    let collection = place.up_to(length);
    let now = call.account.tick();
    let (id, name) = new_id(call, operation, routes, length);
    let mut object = Object::new();
    object.insert("id".to_owned(), id.clone().into());
    if let Some(name) = name {
        object.insert(name, id.clone().into());
    }
    let above: Object =
        call.arguments.outside_body().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    object.extend(above);
    things::merge(&mut object, changes(call, operation, shape));
    object.insert("createdAt".to_owned(), json!(now));
    object.insert("updatedAt".to_owned(), json!(now));
    call.account.things.put(&collection, &id, object.clone());
    Reply::created(shape.answer(object))
}

/// An id in the style of the operations on the items, and the name that they give it.
fn new_id(
    call: &mut Call<'_>,
    operation: &Operation,
    routes: &Routes,
    length: usize,
) -> (String, Option<String>) {
    let collection = &operation.path[..length];
    let Some(on_item) = routes.on_items(collection).next() else { return (call.account.ids.number(), None) };
    let Some(Segment::Template(name)) = on_item.path.last() else { return (call.account.ids.number(), None) };
    let schema = &on_item.entry.tool.input.object().get("properties").map(|all| all[name.as_str()].clone());
    let schema = schema.clone().unwrap_or_default();
    let is_number =
        schema["type"] == "integer" || schema["pattern"].as_str().is_some_and(|text| text.contains("\\d"));
    let ids = &mut call.account.ids;
    let id = if is_number {
        ids.number()
    } else if schema["format"] == "uuid" {
        ids.uuid()
    } else {
        let literal = collection.iter().rev().find_map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Template(_) => None,
        });
        let initials: String =
            literal.unwrap_or("id").split('-').filter_map(|word| word.chars().next()).collect();
        ids.short(&initials)
    };
    (id, (name != "id").then(|| name.clone()))
}

fn sync(call: &mut Call<'_>, collection: &str, shape: &Shape) -> Reply {
    let now = call.account.tick();
    let mut done = Vec::new();
    for (_, list) in call.arguments.body() {
        for item in list.as_array().into_iter().flatten().filter_map(Value::as_object) {
            let named = item.iter().find(|(name, _)| name.ends_with("Id") || name.ends_with("_id"));
            let given = named.and_then(|(_, id)| super::arguments::id(id));
            let id = given.unwrap_or_else(|| call.account.ids.number());
            let mut object = call.account.things.get(collection, &id).cloned().unwrap_or_default();
            object.entry("id").or_insert_with(|| id.clone().into());
            things::merge(&mut object, item.clone());
            things::merge(&mut object, shape.set.clone());
            object.insert("updatedAt".to_owned(), json!(now));
            call.account.things.put(collection, &id, object.clone());
            done.push(Value::Object(object));
        }
    }
    let mut data = shape.with.clone();
    if let Some(name) = &shape.list {
        data.insert(name.clone(), done.into());
    }
    Reply::of(data.into())
}

/// An action. If it is about a stored object, that is changed and answered.
fn other(
    call: &mut Call<'_>,
    operation: &Operation,
    place: &Place<'_>,
    shape: &Shape,
    path: &[(String, String)],
) -> Reply {
    let now = call.account.tick();
    let above = place.segments.len() - 1;
    let is_about_item = above > 0 && place.segments[above - 1].0.is_template();
    let (collection, id) =
        (place.up_to(above.saturating_sub(1)), place.segments[above.saturating_sub(1)].1.clone());
    let change = shape.set.clone();
    if is_about_item && let Some(object) = call.account.things.get_mut(&collection, &id) {
        things::merge(object, change);
        object.insert("updatedAt".to_owned(), json!(now));
        let object = object.clone();
        return Reply::of(shape.answer(object));
    }
    let mut object = parents(call, path);
    object.extend(change);
    let data = if let Some(name) = &shape.list {
        let mut data = shape.with.clone();
        data.insert(name.clone(), json!([object]));
        data.into()
    } else if shape.with.is_empty() && shape.set.is_empty() {
        object.insert("message".to_owned(), "The sandbox took the request and changed nothing.".into());
        shape.answer(object)
    } else {
        shape.answer(object)
    };
    let is_new = operation.method == Method::Post && shape.with.contains_key("id");
    if is_new { Reply::created(data) } else { Reply::of(data) }
}
