//! A tool and its place in the catalog.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value, json};

use super::{
    Schema, Surface, Text, Tool,
    import::references,
    present,
    tool::{self, Input},
    walk::Schemas,
};

/// What a published document says about a tool, as far as a newer document is compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The digest of the request and its schemas. Empty for a tool without a document.
    pub facts: &'static str,
    /// The digest of the description.
    pub description: &'static str,
    /// Our words for its arguments and our corrections, as JSON. Empty if there are none.
    pub(super) words: &'static str,
}

impl Published {
    /// A tool that no document describes.
    const NONE: Self = Self { facts: "", description: "", words: "" };
}

/// A description by Scope3 that changed against the built-in document, in short and on one line. It is data, not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reworded {
    /// What it was, if an earlier document is here that has it.
    pub before: Option<String>,
    /// What it is now.
    pub now: String,
}

/// A tool, with its surface and toolset.
#[derive(Debug)]
pub struct Entry {
    /// The API behind it.
    pub surface: Surface,
    /// The APIs that have it at the same address, where several have.
    pub(super) also: &'static [Surface],
    /// What the built-in document says about it.
    pub(super) published: Published,
    /// What Scope3 changed in its description, if it can spend or delete and the operator has not acknowledged the change.
    pub reworded: Option<Box<Reworded>>,
    /// The toolset that it belongs to.
    pub toolset: Text,
    /// The entry itself.
    pub tool: Tool,
    /// The schema for lists, if it differs from the full one.
    shown: Option<Schema>,
    // Compiled at the first call of the tool, because that takes longer than loading the catalog.
    pub(super) validator: OnceLock<Option<jsonschema::Validator>>,
}

impl Entry {
    pub(super) const fn new(
        surface: Surface,
        also: &'static [Surface],
        toolset: Text,
        tool: Tool,
        shown: Option<Schema>,
        published: Published,
    ) -> Self {
        Self { surface, also, published, reworded: None, toolset, tool, shown, validator: OnceLock::new() }
    }

    /// Whether this API has the tool. Some tools belong to several.
    #[must_use]
    pub fn is_of(&self, surface: Surface) -> bool {
        self.surface == surface || self.also.contains(&surface)
    }

    /// The first of these APIs that has the tool.
    pub(super) fn surface_among(&self, active: &[Surface]) -> Option<Surface> {
        let own = [self.surface].into_iter().chain(self.also.iter().copied());
        own.into_iter().find(|surface| active.contains(surface))
    }

    /// The same entry as a tool of another API.
    pub(super) fn of_surface(&self, surface: Surface) -> Self {
        Self {
            surface,
            also: self.also,
            published: self.published,
            reworded: self.reworded.clone(),
            toolset: self.toolset.clone(),
            tool: self.tool.clone(),
            shown: self.shown.clone(),
            validator: OnceLock::new(),
        }
    }

    /// An entry created at run time, from a tool in the format of the catalog files.
    #[must_use]
    pub fn loaded(surface: Surface, toolset: impl Into<Text>, mut tool: tool::Tool<Input>) -> Self {
        tool.expand();
        let shown = Some(Schema::of(present::listed(&tool)));
        Self::new(surface, &[], toolset.into(), tool.map_input(Schema::of), shown, Published::NONE)
    }

    /// The same entry, with the tool that a newer document makes of it.
    pub(super) fn joined(&self, surface: Surface, toolset: Text, mut tool: tool::Tool<Input>) -> Self {
        tool.expand();
        let shown = Some(Schema::of(present::listed(&tool)));
        Self::new(surface, self.also, toolset, tool.map_input(Schema::of), shown, self.published)
    }

    /// The entry as it is for a call with these arguments: with the effect of the call. `None` if that is the tool's own.
    #[must_use]
    pub fn for_call(&self, arguments: &Map<String, Value>) -> Option<Box<Self>> {
        if self.tool.effect_when.is_empty() {
            return None;
        }
        let effect = self.tool.effect_of(arguments);
        (effect != self.tool.effect).then(|| {
            let tool = Tool { effect, ..self.tool.clone() };
            Box::new(Self { tool, ..self.of_surface(self.surface) })
        })
    }

    /// The same entry with other names of tools, where `rename` gives one. `None` if it gives none.
    pub(super) fn renamed(&self, rename: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let mut tool = self.tool.clone();
        let mut is_changed = false;
        for name in tool.names_of_tools() {
            if let Some(other) = rename(name) {
                *name = other.into();
                is_changed = true;
            }
        }
        if !is_changed {
            return None;
        }
        Some(Self { tool, ..self.of_surface(self.surface) })
    }

    /// The whole input schema in keywords that every client reads, with alternatives at the top as one list of arguments.
    #[must_use]
    pub fn portable_schema(&self) -> Map<String, Value> {
        match self.tool.operation {
            Some(_) => present::portable(self.tool.input.object()),
            None => self.tool.input.object().clone(),
        }
    }

    /// Whether the tool has an argument of this name.
    #[must_use]
    pub fn has_argument(&self, name: &str) -> bool {
        Schemas::of(self.tool.input.object()).has_member(name)
    }

    /// The part of the full input schema that a path such as `budget.total` names. Alternatives are under `anyOf`.
    ///
    /// # Errors
    /// If the schema does not define the path: the longest beginning that it defines, and the names that can follow.
    pub fn schema_at(&self, path: &str) -> Result<Map<String, Value>, (String, Vec<String>)> {
        let document = self.tool.input.object();
        let steps: Vec<&str> = path.split('.').collect();
        let (mut found, mut known) = (Schemas::of(document), Vec::new());
        for step in steps {
            let name = step.trim_end_matches("[]");
            if !found.has_member(name) {
                let names = found.members().into_iter().map(str::to_owned).collect();
                return Err((known.join("."), names));
            }
            found = found.member(name);
            // The path of an item may be written with or without `[]`.
            while found.types().only() == Some("array") && !found.item(usize::MAX).is_empty() {
                found = found.item(usize::MAX);
            }
            known.push(step);
        }
        let mut part = match found.roots() {
            [only] => (*only).clone(),
            several => Map::from_iter([("anyOf".to_owned(), json!(several))]),
        };
        if let Some(shared) = document.get("$defs").and_then(Value::as_object) {
            let used = used(&Value::Object(part.clone()), shared);
            if !used.is_empty() {
                part.insert("$defs".to_owned(), used.into());
            }
        }
        Ok(part)
    }

    /// The input schema for lists. It never requires more than the full schema, so arguments made from it can only fail
    /// because of what it omits.
    #[must_use]
    pub fn shown_schema(&self) -> Arc<Map<String, Value>> {
        self.shown.as_ref().unwrap_or(&self.tool.input).shared()
    }
}

/// The shared schemas that a schema refers to, directly and through others.
fn used(schema: &Value, shared: &Map<String, Value>) -> Map<String, Value> {
    let mut used = Map::new();
    let mut names = Vec::new();
    references(schema, &mut names);
    while let Some(name) = names.pop() {
        if let Some(schema) = shared.get(&name).filter(|_| !used.contains_key(&name)) {
            references(schema, &mut names);
            used.insert(name, schema.clone());
        }
    }
    used
}

/// A shared entry. Cloning it is cheap, whether the tool was built in or loaded.
#[derive(Debug, Clone)]
pub enum EntryRef {
    /// A tool that was built into the program.
    Embedded(&'static Entry),
    /// A tool that was loaded while the program runs.
    Loaded(Arc<Entry>),
}

impl Deref for EntryRef {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        match self {
            Self::Embedded(entry) => entry,
            Self::Loaded(entry) => entry,
        }
    }
}

impl From<Entry> for EntryRef {
    fn from(entry: Entry) -> Self {
        Self::Loaded(Arc::new(entry))
    }
}
