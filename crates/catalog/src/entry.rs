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

/// A tool and where it stands in the catalog.
#[derive(Debug)]
pub struct Entry {
    /// The API behind it.
    pub surface: Surface,
    /// The toolset that it belongs to.
    pub toolset: Text,
    /// The entry itself.
    pub tool: Tool,
    /// The schema for lists, where it is not the full one.
    shown: Option<Schema>,
    // Compiling a schema takes longer than reading the catalog: it happens at the first call of a tool.
    pub(super) validator: OnceLock<Option<jsonschema::Validator>>,
}

impl Entry {
    pub(super) const fn new(surface: Surface, toolset: Text, tool: Tool, shown: Option<Schema>) -> Self {
        Self { surface, toolset, tool, shown, validator: OnceLock::new() }
    }

    /// An entry that is made while the program runs, from a tool as a file of the catalog describes it.
    #[must_use]
    pub fn loaded(surface: Surface, toolset: impl Into<Text>, mut tool: tool::Tool<Input>) -> Self {
        tool.expand();
        let shown = Some(Schema::of(present::shown(&tool.input)));
        Self::new(surface, toolset.into(), tool.map_input(Schema::of), shown)
    }

    /// The input schema for lists. It never asks for more than the full one does, so that arguments made from it
    /// fail only on what it leaves out.
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
