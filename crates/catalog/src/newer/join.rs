//! Joins newer documents with what is built in.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    time::Instant,
};

use serde_json::Value;

use super::{
    Newer, PATIENCE, added,
    address::Address,
    outline::{Argument, outline},
    report::{Changed, Description, Kept, Report},
    text::{MAX_CHARACTERS, differing, one_line},
};
use crate::{
    Catalog, Constant, ENTRIES, Effect, EffectWhen, Entry, EntryRef, Reworded, Surface,
    check::{Finding, check},
    join::Join,
    present,
    tool::{Input, Tool, Toolset},
    walk::Schemas,
    words::Correction,
};

/// The most bytes of schemas that the tools of a document may have in sum.
const MAX_SCHEMA_BYTES: usize = 24 << 20;

/// Why a document cannot be joined with what is built in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Its schemas take more memory than an API needs.
    #[error("the operation `{operation}`: expected a document with at most {} MB of schemas in all operations, got more", MAX_SCHEMA_BYTES >> 20)]
    TooLarge {
        /// The operation at which the limit was reached.
        operation: String,
    },
    /// It takes too long.
    #[error("the operation `{operation}`: joining the document takes too long")]
    TooLong {
        /// The operation at which the time was over.
        operation: String,
    },
    /// The thread that joins cannot run.
    #[error("the document cannot be joined")]
    Failed,
}

/// The catalog of these APIs with newer documents, and what each document changes.
///
/// # Errors
/// If a document exceeds what an API needs.
pub fn with_newer(surfaces: &[Surface], newer: &[Newer<'_>]) -> Result<(Catalog, Vec<Report>), JoinError> {
    /// Schemas are walked recursively.
    const STACK_BYTES: usize = 64 << 20;
    let join = || {
        let (mut replaced, mut added, mut reports) = (HashMap::new(), Vec::new(), Vec::new());
        for newer in newer.iter().filter(|newer| surfaces.contains(&newer.document.surface)) {
            let mut part = Part::new(surfaces, newer);
            part.join_known()?;
            part.join_new()?;
            replaced.extend(part.replaced);
            added.extend(part.added);
            reports.push(part.report);
        }
        Ok((Catalog::combined(surfaces, &replaced, added), reports))
    };
    std::thread::scope(|threads| {
        let joiner = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(threads, join);
        joiner.ok().and_then(|joiner| joiner.join().ok()).unwrap_or(Err(JoinError::Failed))
    })
}

/// What one document makes of the catalog.
struct Part<'a> {
    newer: &'a Newer<'a>,
    surface: Surface,
    surfaces: &'a [Surface],
    /// The ids of its operations by address.
    ids: HashMap<Address, &'a str>,
    /// The operations that a built-in tool has.
    known: HashSet<&'a str>,
    replaced: Vec<(usize, EntryRef)>,
    added: Vec<EntryRef>,
    report: Report,
    bytes_left: usize,
    until: Instant,
}

impl<'a> Part<'a> {
    fn new(surfaces: &'a [Surface], newer: &'a Newer<'a>) -> Self {
        let contract = &newer.document.contract;
        let ids = contract.operations.iter().map(|(id, operation)| {
            (Address::of(&contract.server, operation.base.as_deref(), &operation.request), &**id)
        });
        Self {
            newer,
            surface: newer.document.surface,
            surfaces,
            ids: ids.collect(),
            known: HashSet::new(),
            replaced: Vec::new(),
            added: Vec::new(),
            report: Report::new(newer.document),
            bytes_left: MAX_SCHEMA_BYTES,
            until: Instant::now() + PATIENCE,
        }
    }

    /// Joins the operations that built-in tools have.
    fn join_known(&mut self) -> Result<(), JoinError> {
        let contract = &self.newer.document.contract;
        let surface = self.surface;
        let entries = ENTRIES.iter().enumerate().filter(|(_, entry)| entry.is_of(surface));
        for (position, entry) in entries {
            let Some(address) = Address::of_entry(entry) else { continue };
            let name = entry.tool.name.to_string();
            let is_ours = entry.surface_among(self.surfaces) == Some(self.surface);
            let Some(id) = self.ids.get(&address).copied() else {
                let has_moved =
                    entry.tool.operation.as_ref().is_some_and(|id| contract.operations.contains_key(&**id));
                let list = if has_moved { &mut self.report.moved } else { &mut self.report.absent };
                if is_ours {
                    list.push(name);
                }
                continue;
            };
            self.known.insert(id);
            if !is_ours {
                continue;
            }
            self.check_time(id)?;
            let is_same =
                self.newer.document.facts.get(id).is_some_and(|facts| *facts == entry.published.facts);
            let mut joined = None;
            if !is_same {
                self.take_bytes(id)?;
                match rejoined(entry, self.newer, id) {
                    Ok(newer) => joined = Some(newer),
                    Err(why) => self.report.kept.push(Kept { name: name.clone(), why }),
                }
            }
            let reworded = self.reworded(entry, id);
            if joined.is_none() && reworded.is_none() {
                continue;
            }
            let has_changed = joined.is_some();
            let mut joined = joined.unwrap_or_else(|| entry.of_surface(self.surface));
            joined.reworded = reworded;
            let joined: EntryRef = joined.into();
            if has_changed {
                self.report.changed.push(Changed {
                    name,
                    before: EntryRef::Embedded(entry),
                    now: joined.clone(),
                });
            }
            self.replaced.push((position, joined));
        }
        Ok(())
    }

    /// What Scope3 changed in the description of a tool that can spend or delete, unless that is acknowledged.
    fn reworded(&mut self, entry: &Entry, id: &str) -> Option<Box<Reworded>> {
        let Newer { document, acknowledged, earlier } = self.newer;
        let now = document.contract.operations.get(id)?.description.clone().unwrap_or_default();
        if now == entry.published.description {
            return None;
        }
        let is_acknowledged = acknowledged.get(id) == Some(&now);
        let is_risky = entry.tool.strongest_effect() >= Effect::Delete;
        let text = |prose: &BTreeMap<String, crate::import::Prose>| Some(prose.get(id)?.description.clone());
        let current = text(&document.prose).unwrap_or_default();
        let before = text(earlier).filter(|before| *before != current);
        let (before, shown) = match before {
            Some(before) => {
                let (before, now) = differing(&before, &current);
                (Some(before), now)
            }
            None => (None, one_line(&current, MAX_CHARACTERS)),
        };
        let change = Reworded { before, now: shown };
        self.report.reworded.push(Description {
            name: entry.tool.name.to_string(),
            operation: id.to_owned(),
            digest: now,
            needs_confirmation: is_risky && !is_acknowledged,
            change: change.clone(),
        });
        (is_risky && !is_acknowledged).then(|| Box::new(change))
    }

    /// Makes tools of the operations that no built-in tool has.
    fn join_new(&mut self) -> Result<(), JoinError> {
        let contract = &self.newer.document.contract;
        let known: Vec<(Address, &Entry)> =
            ENTRIES.iter().filter_map(|entry| Some((Address::of_entry(entry)?, entry))).collect();
        let mut names: HashSet<String> = ENTRIES.iter().map(|entry| entry.tool.name.to_string()).collect();
        for (id, operation) in &contract.operations {
            if self.known.contains(&**id) {
                continue;
            }
            self.check_time(id)?;
            self.take_bytes(id)?;
            let address = Address::of(&contract.server, operation.base.as_deref(), &operation.request);
            let overlapping: Vec<&Entry> =
                known.iter().filter(|(known, _)| known.overlaps(&address)).map(|(_, entry)| *entry).collect();
            match added::entry(self.newer, id, operation, &overlapping, &mut names) {
                Ok(entry) => {
                    self.report.added.push(EntryRef::from(entry));
                }
                Err(why) => self.report.left_out.push(Kept { name: id.clone(), why }),
            }
        }
        self.added.clone_from(&self.report.added);
        Ok(())
    }

    fn check_time(&self, id: &str) -> Result<(), JoinError> {
        if Instant::now() < self.until {
            Ok(())
        } else {
            Err(JoinError::TooLong { operation: id.to_owned() })
        }
    }

    /// Counts the schemas that a tool gets.
    fn take_bytes(&mut self, id: &str) -> Result<(), JoinError> {
        let contract = &self.newer.document.contract;
        let bytes = contract.operations.get(id).map_or(0, |it| crate::join::bytes(contract, it));
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or_else(|| JoinError::TooLarge { operation: id.to_owned() })?;
        Ok(())
    }
}

/// A known tool with the arguments of a newer document.
///
/// # Errors
/// If the document does not fit what we say about the tool. It then stays as it is built in.
fn rejoined(entry: &Entry, newer: &Newer<'_>, id: &str) -> Result<Entry, String> {
    let before = entry.tool.input.object();
    let mut tool: Tool<Input> = entry.tool.clone().map_input(|_| Input::new());
    tool.request = None;
    tool.operation = Some(id.to_owned().into());
    if !entry.published.words.is_empty() {
        let words: (BTreeMap<String, String>, Vec<Correction>) = serde_json::from_str(entry.published.words)
            .map_err(|_| "the words of this server are broken".to_owned())?;
        (tool.arguments, tool.corrections) = words;
    }
    let findings = Join::new(&newer.document.contract).add_facts(&mut tool);
    // Words for an argument that is gone say nothing any more. Everything else is there for a reason.
    first(findings.into_iter().filter(|finding| !finding.is_about("arguments")))?;
    tool.corrections = Vec::new();
    keep_meaning(&tool, before)?;
    let now = outline(&tool.input);
    strengthen(&mut tool, &outline(before), &now)?;
    for path in entry.tool.by_consent.iter() {
        if may_have(&tool.input, path) && !may_have(before, path) {
            return Err(format!("by_consent: the document lets a model set `{path}`"));
        }
    }
    checked(entry.surface, &mut tool)?;
    Ok(entry.joined(newer.document.surface, entry.toolset.clone(), tool))
}

/// Checks a joined tool as the build does.
pub(super) fn checked(surface: Surface, tool: &mut Tool<Input>) -> Result<(), String> {
    let mut expanded = tool.clone();
    expanded.expand();
    let listed = [present::listed(&expanded)];
    let file = Toolset { toolset: String::new(), description: String::new(), tools: vec![expanded] };
    first(check(&file, surface == Surface::Local, &listed).into_iter())
}

pub(super) fn first(mut findings: impl Iterator<Item = Finding>) -> Result<(), String> {
    findings.next().map_or(Ok(()), |finding| Err(finding.in_short()))
}

/// Checks that the arguments which decide about the effect of a call still mean the same.
fn keep_meaning(tool: &Tool<Input>, before: &Input) -> Result<(), String> {
    let (old, new) = (Schemas::of(before), Schemas::of(&tool.input));
    for when in tool.effect_when.iter() {
        let path = &*when.argument;
        let Some((old, new)) = old.at(path).zip(new.at(path)) else { continue };
        if old.types() != new.types() {
            return Err(format!("effect_when: the type of `{path}` is another"));
        }
        let defaults = |schemas: &Schemas<'_>| -> Vec<Value> {
            schemas.iter().filter_map(|schema| schema.get("default").cloned()).collect()
        };
        if defaults(&old) != defaults(&new) {
            return Err(format!("effect_when: the default of `{path}` is another"));
        }
    }
    Ok(())
}

/// Makes calls with new values as strong as the strongest known one, and does not let caps pass new arguments as nothing.
fn strengthen(
    tool: &mut Tool<Input>,
    before: &BTreeMap<String, Argument>,
    now: &BTreeMap<String, Argument>,
) -> Result<(), String> {
    let values = |outline: &BTreeMap<String, Argument>, path: &str| {
        outline.get(path).map(|argument| argument.values.clone()).unwrap_or_default()
    };
    let strongest = tool.strongest_effect();
    let mut more = Vec::new();
    for when in tool.effect_when.iter() {
        let Some(Constant::Text(known)) = &when.is else { continue };
        let (old, new) = (values(before, &when.argument), values(now, &when.argument));
        if old.is_empty() {
            continue;
        }
        if !new.contains(&**known) {
            return Err(format!("effect_when: `{}` no longer accepts '{known}'", when.argument));
        }
        for value in new.difference(&old) {
            more.push(EffectWhen {
                argument: when.argument.clone(),
                is: Some(Constant::Text(value.clone().into())),
                effect: strongest,
                because: Cow::Borrowed("Scope3 added this value, and this server does not know what it does"),
            });
        }
    }
    tool.effect_when.to_mut().extend(more);
    if let Some(money) = &mut tool.money {
        let new = now.keys().filter(|path| !before.contains_key(*path) && !path.contains('*'));
        money.unmeasured.to_mut().extend(new.map(|path| path.clone().into()));
    }
    Ok(())
}

/// Whether arguments may have a value at this path, named or not.
fn may_have(input: &Input, path: &str) -> bool {
    let schemas = Schemas::of(input);
    if schemas.at(path).is_some() {
        return true;
    }
    let owner = match path.rsplit_once('.') {
        None => Some(schemas),
        Some((owner, _)) => schemas
            .at(owner.trim_end_matches("[]"))
            .map(|owner| if path.contains("[].") { owner.item(usize::MAX) } else { owner }),
    };
    owner.is_some_and(|owner| {
        owner.is_open() || owner.iter().any(|it| it.get("patternProperties").is_some_and(Value::is_object))
    })
}
