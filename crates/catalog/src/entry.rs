//! A tool and its place in the catalog.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};

use super::{
    Schema, Surface, Text, Tool, present,
    tool::{self, Input},
};

/// A tool, with its surface and toolset.
#[derive(Debug)]
pub struct Entry {
    /// The API behind it.
    pub surface: Surface,
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
    pub(super) const fn new(surface: Surface, toolset: Text, tool: Tool, shown: Option<Schema>) -> Self {
        Self { surface, toolset, tool, shown, validator: OnceLock::new() }
    }

    /// An entry created at run time, from a tool in the format of the catalog files.
    #[must_use]
    pub fn loaded(surface: Surface, toolset: impl Into<Text>, mut tool: tool::Tool<Input>) -> Self {
        tool.expand();
        let shown = Some(Schema::of(present::simplify(&tool.input)));
        Self::new(surface, toolset.into(), tool.map_input(Schema::of), shown)
    }

    /// The input schema for lists. It never requires more than the full schema, so arguments made from it can only fail
    /// because of what it omits.
    #[must_use]
    pub fn shown_schema(&self) -> Arc<Map<String, Value>> {
        self.shown.as_ref().unwrap_or(&self.tool.input).shared()
    }
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
