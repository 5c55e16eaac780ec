//! What customers store without further rules: collections of objects, and single objects.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// An object.
pub(in crate::v2) type Object = Map<String, Value>;

/// Collections by their paths, and single objects by theirs.
#[derive(Debug, Default)]
pub(in crate::v2) struct Things {
    /// In the order of creation, with their ids.
    collections: BTreeMap<String, Vec<(String, Object)>>,
    singles: BTreeMap<String, Object>,
}

impl Things {
    /// The objects of a collection.
    pub(in crate::v2) fn all(&self, collection: &str) -> impl Iterator<Item = &Object> {
        self.collections.get(collection).into_iter().flatten().map(|(_, object)| object)
    }

    pub(in crate::v2) fn get(&self, collection: &str, id: &str) -> Option<&Object> {
        let found = self.collections.get(collection)?.iter().find(|(other, _)| other == id);
        found.map(|(_, object)| object)
    }

    pub(in crate::v2) fn get_mut(&mut self, collection: &str, id: &str) -> Option<&mut Object> {
        let found = self.collections.get_mut(collection)?.iter_mut().find(|(other, _)| other == id);
        found.map(|(_, object)| object)
    }

    /// Adds an object, or replaces the one with the same id.
    pub(in crate::v2) fn put(&mut self, collection: &str, id: &str, object: Object) {
        let all = self.collections.entry(collection.to_owned()).or_default();
        match all.iter_mut().find(|(other, _)| other == id) {
            Some((_, old)) => *old = object,
            None => all.push((id.to_owned(), object)),
        }
    }

    /// Keeps the objects whose ids fit. Returns whether any was removed.
    pub(in crate::v2) fn retain(&mut self, collection: &str, fits: impl Fn(&str) -> bool) -> bool {
        let Some(all) = self.collections.get_mut(collection) else { return false };
        let before = all.len();
        all.retain(|(id, _)| fits(id));
        all.len() < before
    }

    /// The single object at a path, which is empty until it is changed.
    pub(in crate::v2) fn single(&mut self, path: &str) -> &mut Object {
        self.singles.entry(path.to_owned()).or_default()
    }
}

/// Applies a change: a member that is null is removed.
pub(in crate::v2) fn merge(object: &mut Object, change: Object) {
    for (name, value) in change {
        if value.is_null() {
            object.shift_remove(&name);
        } else {
            object.insert(name, value);
        }
    }
}
