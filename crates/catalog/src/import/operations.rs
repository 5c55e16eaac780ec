//! Reads the operations of a document: where a request goes, and what it takes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use url::Url;

use super::{
    Expected, Imported, Prose,
    error::{At, Fault},
    schemas::Converter,
};
use crate::{
    contract::{Answer, Body, Contract, JSON, Operation, Parameter},
    digest::digest_of_prose,
    problem::type_of,
    request::{Method, Place, Request},
    shortened,
    walk::percent_decoded,
};

/// The tag of the operations of Scope3's own MCP server. They are no operations of the API.
const MCP_TAG: &str = "MCP";

/// The maximum number of operations. The largest document that Scope3 publishes has 270.
const MAX_OPERATIONS: usize = 2_000;

/// Reads the operations of a document. With a place for `faults`, an operation with a fault does not stop the reading.
pub(super) fn of(
    document: &Value,
    expected: Option<&Expected>,
    faults: Option<&mut Vec<Fault>>,
) -> Result<Imported, Fault> {
    let root = At::Root;
    let members = object(document, root, "an OpenAPI document")?;
    let version = members.get("openapi").and_then(Value::as_str).unwrap_or_default();
    let is_3_0 = version.starts_with("3.0");
    if !is_3_0 && !version.starts_with("3.1") {
        let got = members.get("openapi").map_or_else(|| "nothing".to_owned(), ToString::to_string);
        return Err(root.member("openapi").expected("OpenAPI 3.0 or 3.1", got));
    }
    let info_version = document.pointer("/info/version").and_then(Value::as_str).unwrap_or("unknown");
    let at = root.member("servers");
    let Some(server) = server_of(document, at, None, expected)? else {
        return Err(at.expected("a list with the base URL of the API", "nothing"));
    };
    let mut reader = Reader {
        document,
        server,
        expected,
        faults,
        schemas: Converter::new(document, is_3_0, expected.map(|expected| expected.until)),
        notes: Vec::new(),
        operations: BTreeMap::new(),
        prose: BTreeMap::new(),
    };
    let mut gateway = 0;
    let at = root.member("paths");
    for (path, item) in object(members.get("paths").unwrap_or(&Value::Null), at, "the operations by path")? {
        gateway += reader.path(path, item, at.member(path))?;
    }
    let schemas = reader.schemas.shared()?;
    let Reader { server, schemas: converter, operations, prose, mut notes, .. } = reader;
    notes.extend(converter.notes);
    if gateway > 0 {
        notes.push(format!("{gateway} operations of Scope3's own MCP server (tag `{MCP_TAG}`) are left out"));
    }
    let server = server.as_str().trim_end_matches('/').to_owned();
    Ok(Imported {
        contract: Contract { version: info_version.to_owned(), server, operations, schemas },
        prose,
        notes,
    })
}

struct Reader<'a> {
    document: &'a Value,
    server: Url,
    expected: Option<&'a Expected>,
    /// The faults so far, if they do not stop the reading.
    faults: Option<&'a mut Vec<Fault>>,
    /// What is wrong and does not prevent calls.
    notes: Vec<String>,
    schemas: Converter<'a>,
    operations: BTreeMap<String, Operation>,
    prose: BTreeMap<String, Prose>,
}

impl<'a> Reader<'a> {
    /// Reads the operations of a path. Returns how many were left out.
    fn path(&mut self, path: &str, item: &'a Value, at: At<'_>) -> Result<usize, Fault> {
        let members = object(item, at, "the operations of a path")?;
        if let Some(target) = members.get("$ref") {
            return Err(at.member("$ref").expected("the operations of a path", target));
        }
        let mut left_out = 0;
        for method in Method::ALL {
            let name = method.as_str().to_ascii_lowercase();
            let Some(operation) = members.get(&name) else { continue };
            let at_operation = at.member(&name);
            let operation = object(operation, at_operation, "an operation")?;
            let tags = operation.get("tags").and_then(Value::as_array);
            if tags.is_some_and(|tags| tags.iter().any(|tag| tag == MCP_TAG)) {
                left_out += 1;
                continue;
            }
            if self.operations.len() >= MAX_OPERATIONS {
                return Err(at.fault(format!("expected at most {MAX_OPERATIONS} operations, got more")));
            }
            let read = self.operation((path, method), (item, members, at), (operation, at_operation));
            match (read, &mut self.faults) {
                (Err(fault), Some(faults)) => faults.push(fault),
                (read, _) => read?,
            }
        }
        Ok(left_out)
    }

    fn operation(
        &mut self,
        (path, method): (&str, Method),
        (item, members, at): (&Value, &'a Map<String, Value>, At<'_>),
        (operation, at_operation): (&'a Map<String, Value>, At<'_>),
    ) -> Result<(), Fault> {
        let id = self.id(operation, at_operation)?;
        let line = format!("{} {path}", method.as_str());
        let request: Request = line.parse().map_err(|error| at.fault(format!("{error}")))?;
        // Such a path would leave the base URL.
        if path.split('/').skip(1).any(|step| matches!(step, "." | "..")) || path.contains("//") {
            return Err(at.fault("expected a path without `.`, `..` and empty steps"));
        }
        let base = self.base(item, at, operation, at_operation)?;
        let mut parameters = Vec::new();
        for (owner, at) in [(members, at), (operation, at_operation)] {
            self.parameters(owner.get("parameters"), at.member("parameters"), &mut parameters)?;
        }
        let is_declared = |name: &str| {
            parameters.iter().any(|declared| declared.place == Place::Path && declared.name == name)
        };
        for name in request.path_parameters().filter(|name| !is_declared(name)) {
            let fault = at_operation.fault(format!("no parameter declares `{{{name}}}` of the path"));
            self.notes.push(format!("{}: {}", fault.path(), fault.why));
        }
        let is_used = |name: &str| request.path_parameters().any(|used| used == name);
        for declared in parameters.iter().filter(|it| it.place == Place::Path && !is_used(&it.name)) {
            let fault = at_operation.fault(format!("the path has no `{{{}}}`", declared.name));
            self.notes.push(format!("{}: {}", fault.path(), fault.why));
        }
        let body = match operation.get("requestBody") {
            None => None,
            Some(body) => self.body(body, at_operation.member("requestBody"))?,
        };
        let (answer, accepted) = answer(operation.get("responses"));
        let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let prose = Prose { summary: text("summary"), description: text("description") };
        let description = (!prose.description.is_empty()).then(|| digest_of_prose(&prose.description));
        self.prose.insert(id.clone(), prose);
        let operation = Operation { request, base, parameters, body, description, answer, accepted };
        self.operations.insert(id, operation);
        Ok(())
    }

    fn id(&self, operation: &Map<String, Value>, at: At<'_>) -> Result<String, Fault> {
        let at = at.member("operationId");
        let id = match operation.get("operationId") {
            Some(Value::String(id)) => id,
            Some(other) => return Err(at.expected("a text", type_of(other))),
            None => return Err(at.expected("the id of the operation", "nothing")),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if id.is_empty() || id.len() > 128 || !id.chars().all(is_plain) {
            return Err(at.expected("1 to 128 characters of a-z, A-Z, 0-9 and _.-", id));
        }
        match self.operations.get(id) {
            Some(other) => Err(at.fault(format!("`{id}` is also the id of `{}`", other.request))),
            None => Ok(id.clone()),
        }
    }

    /// The path of the base URL, if the operation or its path names another than the document.
    fn base(
        &self,
        item: &Value,
        at_item: At<'_>,
        operation: &Map<String, Value>,
        at: At<'_>,
    ) -> Result<Option<String>, Fault> {
        let own = match operation.get("servers") {
            Some(_) => server_of(
                &Value::Object(operation.clone()),
                at.member("servers"),
                Some(&self.server),
                self.expected,
            )?,
            None => server_of(item, at_item.member("servers"), Some(&self.server), self.expected)?,
        };
        let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
        Ok(own.map(|own| path(&own)).filter(|own| *own != path(&self.server)))
    }

    fn parameters(
        &mut self,
        given: Option<&'a Value>,
        at: At<'_>,
        parameters: &mut Vec<Parameter>,
    ) -> Result<(), Fault> {
        let list = match given {
            None => return Ok(()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(at.expected("a list of parameters", type_of(other))),
        };
        for (position, parameter) in list.iter().enumerate() {
            let at = At::Item(&at, position);
            let parameter = object(self.target(parameter, at)?, at, "a parameter")?;
            let Some(name) = parameter.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())
            else {
                return Err(at.member("name").expected("the name of the parameter", "nothing"));
            };
            let place = match parameter.get("in").and_then(Value::as_str) {
                Some("path") => Place::Path,
                Some("query") => Place::Query,
                Some("header") => Place::Header,
                other => {
                    let got = other.unwrap_or("nothing");
                    return Err(at.member("in").expected("`path`, `query` or `header`", got));
                }
            };
            let flag = |name: &str| parameter.get(name).and_then(Value::as_bool);
            // A parameter has either a schema, or a content type with one.
            let content =
                parameter.get("content").and_then(Value::as_object).and_then(|types| types.values().next());
            let schema = parameter.get("schema").or_else(|| content?.get("schema"));
            let schema = match schema {
                Some(schema) => self.schemas.convert(schema, at.member("schema"))?,
                None => Map::new(),
            };
            let required = place == Place::Path || flag("required") == Some(true);
            let explode = flag("explode").unwrap_or(place != Place::Header);
            let parameter = Parameter { name: name.to_owned(), place, required, explode, schema };
            // The parameter of an operation replaces the one of its path.
            parameters.retain(|other| (&other.name, other.place) != (&parameter.name, parameter.place));
            parameters.push(parameter);
        }
        Ok(())
    }

    fn body(&mut self, body: &'a Value, at: At<'_>) -> Result<Option<Body>, Fault> {
        let body = object(self.target(body, at)?, at, "a request body")?;
        let at = at.member("content");
        let content =
            object(body.get("content").unwrap_or(&Value::Null), at, "the body by its content type")?;
        let json = content.get_key_value(JSON);
        let Some((content_type, media)) = json.or_else(|| content.iter().next()) else { return Ok(None) };
        let schema = match media.get("schema") {
            Some(schema) => self.schemas.convert(schema, at.member(content_type).member("schema"))?,
            None => Map::new(),
        };
        let required = body.get("required").and_then(Value::as_bool).unwrap_or_default();
        Ok(Some(Body { content_type: content_type.clone(), required, schema }))
    }

    /// The value, or the one that its `$ref` points to.
    fn target(&self, mut value: &'a Value, at: At<'_>) -> Result<&'a Value, Fault> {
        const MAX_STEPS: usize = 8;
        for _ in 0..MAX_STEPS {
            let Some(pointer) = value.get("$ref") else { return Ok(value) };
            let fragment = pointer.as_str().and_then(|pointer| pointer.strip_prefix('#'));
            let found = fragment.and_then(|fragment| self.document.pointer(&percent_decoded(fragment)));
            value = found.ok_or_else(|| {
                at.member("$ref").expected("a reference to a part of the document", pointer)
            })?;
        }
        Err(at.member("$ref").fault("expected a part of the document, got a chain of references"))
    }
}

fn object<'v>(value: &'v Value, at: At<'_>, expected: &str) -> Result<&'v Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| at.expected(expected, type_of(value)))
}

/// The first server of a part of the document. `None` if it names none. Of a document with an expected server, all must be
/// known.
fn server_of(
    owner: &Value,
    at: At<'_>,
    base: Option<&Url>,
    expected: Option<&Expected>,
) -> Result<Option<Url>, Fault> {
    let servers = owner.get("servers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut first = None;
    for (position, server) in servers.iter().enumerate() {
        if position > 0 && expected.is_none() {
            break;
        }
        let at = At::Item(&at, position);
        let at = at.member("url");
        let text = server.get("url").and_then(Value::as_str).unwrap_or_default();
        let url = match base {
            Some(base) => base.join(text).ok(),
            None => Url::parse(text).ok(),
        };
        let url = url.filter(|url| url.has_host() && !text.contains('{') && url.query().is_none());
        let Some(url) = url else { return Err(at.expected("the base URL of the API", text)) };
        if base.is_some_and(|base| base.origin() != url.origin()) {
            // The key of the one must not go to the other.
            return Err(at.expected("a URL on the host of the document's server", shortened(url.as_str())));
        }
        if let Some(expected) = expected {
            check_server(&url, base.is_some(), expected, at)?;
        }
        first.get_or_insert(url);
    }
    Ok(first)
}

/// Checks that a server is where the API is known to be.
fn check_server(url: &Url, is_of_part: bool, expected: &Expected, at: At<'_>) -> Result<(), Fault> {
    let has_user = !url.username().is_empty() || url.password().is_some() || url.fragment().is_some();
    let path = url.path().trim_end_matches('/');
    let is_known = url.as_str().trim_end_matches('/') == expected.server
        || (is_of_part && expected.bases.iter().any(|known| known == path));
    if is_known && !has_user {
        return Ok(());
    }
    let others = if is_of_part { " or another known path of its host" } else { "" };
    Err(at.expected(&format!("`{}`{others}", expected.server), shortened(url.as_str())))
}

/// The kind of the successful response, and whether it may come before the work is done. Responses are not checked: what
/// cannot be read counts as JSON.
fn answer(responses: Option<&Value>) -> (Answer, bool) {
    let responses: Vec<(&str, &Value)> = responses
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(status, _)| status.starts_with('2'))
        .map(|(status, response)| (status.as_str(), response))
        .collect();
    let accepted = responses.iter().any(|(status, _)| *status == "202");
    let types: Vec<&str> = responses
        .iter()
        .filter_map(|(_, response)| response.get("content")?.as_object())
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    let has = |part: &str| types.iter().any(|name| name.contains(part));
    let answer = if has("json") {
        Answer::Json
    } else if has("pdf") {
        Answer::Pdf
    } else if has("csv") {
        Answer::Csv
    } else if has("text/") {
        Answer::Text
    } else if !responses.is_empty() && responses.iter().all(|(status, _)| matches!(*status, "204" | "205")) {
        Answer::Empty
    } else {
        Answer::Json
    };
    (answer, accepted)
}
