//! Joins the facts of a contract with our words: for the build, and again when the operator uses a newer document.
//!
//! The build script includes this file too.

mod edit;
mod loosen;

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use serde_json::{Map, Value, json};

use self::{
    edit::{Shared, defines, edit, reachable, target},
    loosen::{loosen, loosened, opened},
};
use super::{
    check::Finding,
    contract::{Body, Contract, JSON, Operation, Parameter},
    digest::digest,
    request::{Binding, OTHERS, Place, Style},
    tool::{IdempotencyKey, Input, Tool},
    walk::Schemas,
    words::Correction,
};

/// The operations of a contract that have words.
pub(crate) struct Join<'a> {
    contract: &'a Contract,
    /// The ids of operations with words.
    worded: BTreeSet<String>,
}

impl<'a> Join<'a> {
    pub(crate) fn new(contract: &'a Contract) -> Self {
        Self { contract, worded: BTreeSet::new() }
    }

    /// Adds the facts of its operation to a tool: request and input. The input has the shared schemas in `$defs`.
    pub(crate) fn add_facts(&mut self, tool: &mut Tool<Input>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = tool.name.to_string();
        let mut report = |field: &str, rule: String| findings.push(Finding::new(&name, field, rule));
        for (field, is_given) in [("request", tool.request.is_some()), ("input", !tool.input.is_empty())] {
            if is_given {
                report(field, "is not allowed here: contract.json has it".to_owned());
            }
        }
        let id = tool.operation.clone().unwrap_or_else(|| tool.name.clone());
        let Some(operation) = self.contract.operations.get(&*id) else {
            report("operation", format!("`{id}` is not in contract.json"));
            return findings;
        };
        // The tool that answers with a promised sentence stands beside the one that shows the whole response.
        if tool.presents.is_none() && !self.worded.insert(id.to_string()) {
            report("operation", format!("another tool has the operation `{id}` too"));
        }
        tool.operation = Some(id);
        let mut facts = Facts { shared: &self.contract.schemas, tool, report: &mut report };
        facts.add(operation);
        findings
    }

    /// The ids of operations with words.
    #[allow(dead_code, reason = "for the build")]
    pub(crate) fn worded(&self) -> impl Iterator<Item = &str> {
        self.worded.iter().map(String::as_str)
    }

    /// The ids of operations without words.
    #[allow(dead_code, reason = "for the build")]
    pub(crate) fn unworded(&self) -> impl Iterator<Item = &str> {
        self.contract.operations.keys().filter(|id| !self.worded.contains(*id)).map(String::as_str)
    }
}

/// The digest of what a contract says about an operation: its request, and all schemas that it uses.
pub(crate) fn facts(contract: &Contract, operation: &Operation) -> String {
    let operation = json!(Operation { description: None, ..operation.clone() });
    let shared: Vec<(&str, &Value)> = reachable(&operation, &contract.schemas)
        .into_iter()
        .filter_map(|name| Some((name, contract.schemas.get(name)?)))
        .collect();
    digest(&json!([operation, shared]).to_string())
}

/// How many bytes the schemas of an operation take as text, with those that they refer to.
#[allow(dead_code, reason = "the build does not need it")]
pub(crate) fn bytes(contract: &Contract, operation: &Operation) -> usize {
    let operation = json!(operation);
    let shared = reachable(&operation, &contract.schemas).into_iter();
    let shared = shared.filter_map(|name| contract.schemas.get(name)).map(|schema| schema.to_string().len());
    operation.to_string().len() + shared.sum::<usize>()
}

/// The facts of one operation, on their way into a tool.
struct Facts<'a> {
    shared: &'a Shared,
    tool: &'a mut Tool<Input>,
    report: &'a mut dyn FnMut(&str, String),
}

impl Facts<'_> {
    fn add(&mut self, operation: &Operation) {
        let Operation { request, base, parameters, body, .. } = operation;
        let mut request = request.clone();
        request.base = base.clone().map(Into::into);
        request.body = Some(body.as_ref().is_some_and(|body| body.content_type == JSON));
        let in_path: Vec<String> = request.path_parameters().map(str::to_owned).collect();
        let parameters = self.named(&in_path, parameters);

        let (mut properties, mut required) = (Map::new(), Vec::new());
        let mut bindings = Vec::new();
        for Named { argument, parameter } in &parameters {
            let style = if parameter.explode { Style::Repeat } else { Style::Comma };
            let style = if parameter.place == Place::Path { Style::default() } else { style };
            let (name, place) = (parameter.name.clone().into(), parameter.place);
            bindings.push(Binding { argument: argument.clone().into(), place, name, style });
            // An argument with two places has the schema of the first, which is the path.
            properties.entry(argument.clone()).or_insert_with(|| parameter.schema.clone().into());
            if parameter.required && !required.contains(argument) {
                required.push(argument.clone());
            }
        }
        let mut input = Map::from_iter([
            ("type".to_owned(), json!("object")),
            ("properties".to_owned(), Value::Object(properties)),
            ("required".to_owned(), json!(required)),
        ]);
        if let Some(body) = body {
            self.add_body(&mut input, body, &mut bindings);
        }
        if input["required"] == json!([]) {
            input.shift_remove("required");
        }
        if input["properties"] == json!({}) && input.contains_key("allOf") {
            input.shift_remove("properties");
        }
        loosen(&mut input);
        self.tool.input = input;
        self.check_paths();
        self.correct();
        if let Some(IdempotencyKey::Body(name)) = self.tool.idempotency.clone() {
            // The journal makes the key.
            self.change("idempotency", &name, &mut hide);
            bindings.retain(|binding| binding.name != name);
        }
        self.add_words();
        let defined = self.with_shared();
        let members: HashSet<&str> = Schemas::of(&defined).members().into_iter().collect();
        let is_kept = |binding: &Binding| {
            let argument = &binding.argument;
            members.contains(&**argument) || argument == OTHERS || self.tool.by_consent.contains(argument)
        };
        bindings.retain(is_kept);
        request.bindings = bindings.into();
        self.tool.request = Some(request);
        self.tool.input = defined;
    }

    /// The input with the shared schemas that it refers to.
    fn with_shared(&self) -> Input {
        let mut input = self.tool.input.clone();
        let names = reachable(&Value::Object(input.clone()), self.shared);
        let shared: Map<String, Value> = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), loosened(self.shared.get(*name)?))))
            .collect();
        if !shared.is_empty() {
            input.insert("$defs".to_owned(), shared.into());
        }
        input
    }

    /// The parameters with the names of their arguments, those of the path first. Every parameter in the path has one.
    fn named(&mut self, in_path: &[String], declared: &[Parameter]) -> Vec<Named> {
        let mut named: Vec<Named> = Vec::new();
        let mut applied: HashSet<String> = HashSet::new();
        for parameter in declared {
            let mut parameter = parameter.clone();
            let mut argument = parameter.name.clone();
            if parameter.place == Place::Path && !in_path.contains(&parameter.name) {
                let Some(is) = self.correction(&parameter.name) else {
                    let name = &parameter.name;
                    (self.report)(
                        "corrections",
                        format!("the path has no `{{{name}}}`; say which parameter it `is`: {in_path:?}"),
                    );
                    continue;
                };
                if !in_path.contains(&is) {
                    (self.report)("corrections", format!("the path has no `{{{is}}}`: {in_path:?}"));
                    continue;
                }
                applied.insert(parameter.name.clone());
                parameter.name.clone_from(&is);
                argument = is;
            } else if parameter.place == Place::Path
                && let Some(is) = self.correction(&argument).filter(|is| *is != argument)
            {
                applied.insert(argument);
                argument = is;
            }
            named.push(Named { argument, parameter });
        }
        for name in in_path {
            let is_its = |it: &Named| it.parameter.place == Place::Path && it.parameter.name == *name;
            if named.iter().any(is_its) {
                continue;
            }
            let Some(argument) = self.correction(name) else {
                (self.report)(
                    "corrections",
                    format!("the document does not declare `{{{name}}}` of the path; name its argument"),
                );
                continue;
            };
            applied.insert(name.clone());
            let schema =
                Map::from_iter([("type".to_owned(), json!("string")), ("minLength".to_owned(), json!(1))]);
            let (name, place) = (name.clone(), Place::Path);
            let parameter = Parameter { name, place, required: true, explode: true, schema };
            named.push(Named { argument, parameter });
        }
        for correction in &self.tool.corrections {
            if let Correction::Parameter { parameter, .. } = correction
                && !applied.contains(parameter)
            {
                let rule =
                    format!("no longer applies: the document is right about the parameter `{parameter}`");
                (self.report)("corrections", rule);
            }
        }
        let position = |it: &Named| match it.parameter.place {
            Place::Path => in_path.iter().position(|name| *name == it.parameter.name).unwrap_or_default(),
            _ => in_path.len(),
        };
        named.sort_by_key(position);
        named
    }

    /// The name that the corrections give to a parameter of the path.
    fn correction(&self, name: &str) -> Option<String> {
        self.tool.corrections.iter().find_map(|correction| match correction {
            Correction::Parameter { parameter, is, .. } if parameter == name => Some(is.clone()),
            _ => None,
        })
    }

    /// Adds the members of a body to the arguments.
    fn add_body(&mut self, input: &mut Map<String, Value>, body: &Body, bindings: &mut Vec<Binding>) {
        const PLAIN: [&str; 4] = ["type", "properties", "required", "additionalProperties"];
        let mut schema = &body.schema;
        while let Some(shared) = target(schema, self.shared) {
            schema = shared;
        }
        let place = if body.content_type == JSON { Place::Body } else { Place::Part };
        let whole =
            Map::from_iter([("allOf".to_owned(), json!([schema])), ("$defs".to_owned(), json!(self.shared))]);
        let members = Schemas::of(&whole);
        for member in members.members() {
            let is_binary = |schema: &Map<String, Value>| schema.get("format") == Some(&json!("binary"));
            let is_file = place == Place::Part && members.member(member).iter().any(is_binary);
            let place = if is_file { Place::File } else { place };
            let (argument, name, style) =
                (member.to_owned().into(), member.to_owned().into(), Style::default());
            let is_taken = |other: &Binding| other.argument == argument && other.place != Place::Path;
            if bindings.iter().any(is_taken) {
                (self.report)("operation", format!("`{member}` is a parameter and a member of the body"));
                continue;
            }
            bindings.push(Binding { argument, place, name, style });
        }
        if self.tool.corrections.iter().any(|correction| matches!(correction, Correction::Open { .. })) {
            let (argument, name) = (Cow::Borrowed(OTHERS), Cow::Borrowed(OTHERS));
            bindings.push(Binding { argument, place, name, style: Style::default() });
            input.insert("additionalProperties".to_owned(), json!({}));
        }
        if !schema.keys().all(|keyword| PLAIN.contains(&keyword.as_str())) {
            input.insert("allOf".to_owned(), json!([opened(schema, self.shared)]));
            return;
        }
        if let (Some(members), Some(properties)) = (
            schema.get("properties").and_then(Value::as_object),
            input.get_mut("properties").and_then(Value::as_object_mut),
        ) {
            properties.extend(members.clone());
        }
        if let (Some(more), Some(required)) = (
            schema.get("required").and_then(Value::as_array),
            input.get_mut("required").and_then(Value::as_array_mut),
        ) {
            let new: Vec<Value> = more.iter().filter(|name| !required.contains(name)).cloned().collect();
            required.extend(new);
        }
    }

    /// Reports the paths in our words that the operation does not have.
    fn check_paths(&mut self) {
        let effects = self.tool.effect_when.iter().map(|when| ("effect_when", &when.argument));
        let secrets = self.tool.secrets.iter().map(|path| ("secrets", path));
        let spends = self.tool.spends.iter().flat_map(|spends| spends.arguments.iter());
        let spends = spends.map(|(_, path)| ("spends", path));
        let unknown = effects
            .chain(secrets)
            .chain(spends)
            .filter(|(_, path)| !defines(&self.tool.input, self.shared, path))
            .map(|(field, path)| (field, format!("the operation has no argument `{path}`")));
        for (field, rule) in unknown.collect::<Vec<_>>() {
            (self.report)(field, rule);
        }
    }

    fn correct(&mut self) {
        for correction in self.tool.corrections.clone() {
            match &correction {
                Correction::Parameter { .. } | Correction::Open { .. } => {}
                Correction::Optional { optional: path, .. } => {
                    self.change("corrections", path, &mut |owner, name| {
                        remove_required(owner, name);
                    });
                }
                Correction::Schema { schema: path, to, .. } => {
                    self.change("corrections", path, &mut |owner, name| {
                        if let Some(Value::Object(members)) = owner.get_mut("properties") {
                            members.insert(name.to_owned(), to.clone().into());
                        }
                    });
                }
                Correction::Hide { hide: path, .. } => self.change("corrections", path, &mut hide),
                Correction::NoDefault { no_default: path, .. } => {
                    let mut defaults = 0;
                    self.change("corrections", path, &mut |owner, name| {
                        let removed =
                            member_of(owner, name).and_then(|member| member.shift_remove("default"));
                        defaults += usize::from(removed.is_some());
                    });
                    if defaults == 0 {
                        (self.report)("corrections", format!("no longer applies: `{path}` has no default"));
                    }
                }
            }
        }
        for path in self.tool.by_consent.clone().iter() {
            self.change("by_consent", path, &mut hide);
        }
    }

    /// Moves our words into the schema.
    fn add_words(&mut self) {
        for (path, words) in std::mem::take(&mut self.tool.arguments) {
            self.change("arguments", &path, &mut |owner, name| {
                if let Some(member) = member_of(owner, name) {
                    member.insert("description".to_owned(), words.clone().into());
                }
            });
        }
    }

    /// Changes what a path names. It is a finding if the path names nothing.
    fn change(&mut self, field: &str, path: &str, change: &mut dyn FnMut(&mut Map<String, Value>, &str)) {
        if edit(&mut self.tool.input, self.shared, path, change) == 0 {
            (self.report)(field, format!("the operation has no argument `{path}`"));
        }
    }
}

/// A parameter and the name of its argument.
struct Named {
    argument: String,
    parameter: Parameter,
}

fn member_of<'o>(owner: &'o mut Map<String, Value>, name: &str) -> Option<&'o mut Map<String, Value>> {
    owner.get_mut("properties")?.get_mut(name)?.as_object_mut()
}

fn remove_required(owner: &mut Map<String, Value>, name: &str) {
    if let Some(Value::Array(names)) = owner.get_mut("required") {
        names.retain(|other| other != name);
    }
}

fn hide(owner: &mut Map<String, Value>, name: &str) {
    remove_required(owner, name);
    if let Some(Value::Object(members)) = owner.get_mut("properties") {
        members.shift_remove(name);
    }
}
