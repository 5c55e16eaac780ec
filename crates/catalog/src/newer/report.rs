//! What a newer document changes against what is built in.

use super::{Document, one_line, outline::differences};
use crate::{EntryRef, Reworded, Surface};

/// What a newer document changes against what is built in.
#[derive(Debug, Clone)]
pub struct Report {
    /// The API.
    pub surface: Surface,
    /// The version that the document states, as Scope3 wrote it.
    pub version: String,
    /// The tools of new operations.
    pub added: Vec<EntryRef>,
    /// The tools whose operations the document no longer has. They can still be called.
    pub absent: Vec<String>,
    /// The tools whose operations have another method or path in the document. They stay as built in.
    pub moved: Vec<String>,
    /// The tools whose arguments changed.
    pub changed: Vec<Changed>,
    /// The tools whose descriptions by Scope3 changed.
    pub reworded: Vec<Description>,
    /// The tools that stay as built in, because the document does not fit what this server says about them.
    pub kept: Vec<Kept>,
    /// The operations that are new and get no tool.
    pub left_out: Vec<Kept>,
    /// What was left out of the document.
    pub notes: Vec<String>,
}

/// A tool whose arguments changed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Its name.
    pub name: String,
    pub(super) before: EntryRef,
    pub(super) now: EntryRef,
}

/// A tool whose description by Scope3 changed.
#[derive(Debug, Clone)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// The id of its operation.
    pub operation: String,
    /// The digest of the new description.
    pub digest: String,
    /// Whether its calls need a confirmation until the operator acknowledges the change.
    pub needs_confirmation: bool,
    /// The old and the new text.
    pub change: Reworded,
}

/// Something that the document does not change, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The name of the tool, or the id of the operation.
    pub name: String,
    /// Why.
    pub why: String,
}

impl Changed {
    /// What changed, in words.
    #[must_use]
    pub fn parts(&self) -> Vec<String> {
        differences(self.before.tool.input.object(), self.now.tool.input.object())
    }
}

impl Report {
    pub(super) fn new(document: &Document) -> Self {
        Self {
            surface: document.surface,
            version: one_line(&document.contract.version, 40),
            added: Vec::new(),
            absent: Vec::new(),
            moved: Vec::new(),
            changed: Vec::new(),
            reworded: Vec::new(),
            kept: Vec::new(),
            left_out: Vec::new(),
            notes: document.notes.clone(),
        }
    }

    /// How much changed, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = [
            (self.added.len(), "new"),
            (self.absent.len(), "no longer there"),
            (self.moved.len(), "moved"),
            (self.changed.len(), "changed"),
            (self.reworded.len(), "described anew"),
            (self.kept.len(), "kept as built in"),
            (self.left_out.len(), "left out"),
        ];
        let counts: Vec<String> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
        format!("{} (version {}): {}", self.surface, self.version, counts.join(", "))
    }

    /// All of it, in lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.summary()];
        for entry in &self.added {
            let request = entry.tool.request.as_ref().map(ToString::to_string).unwrap_or_default();
            lines.push(format!("  new       {} ({}, {request})", entry.tool.name, entry.tool.effect));
        }
        let stays = "the built-in tool stays and can be called";
        lines.extend(self.absent.iter().map(|name| format!("  gone      {name}: {stays}")));
        lines.extend(self.moved.iter().map(|name| format!("  moved     {name}: {stays} at its old address")));
        for changed in &self.changed {
            let parts = changed.parts();
            let parts = if parts.is_empty() { "other limits".to_owned() } else { parts.join("; ") };
            lines.push(format!("  changed   {}: {parts}", changed.name));
        }
        for reworded in &self.reworded {
            let needs = if reworded.needs_confirmation { " (calls need a confirmation)" } else { "" };
            lines.push(format!("  described {}{needs}", reworded.name));
            lines.extend(reworded.change.before.iter().map(|before| format!("    before: \"{before}\"")));
            lines.push(format!("    now:    \"{}\"", reworded.change.now));
        }
        lines.extend(self.kept.iter().map(|kept| format!("  kept      {}: {}", kept.name, kept.why)));
        lines.extend(self.left_out.iter().map(|kept| format!("  left out  {}: {}", kept.name, kept.why)));
        lines.extend(self.notes.iter().map(|note| format!("  note      {note}")));
        lines
    }
}
