//! How generic operations answer: the names of members, and invented data where an answer would be empty.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::things::Object;

/// How one operation answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Shape {
    /// The member of the answer with the list, or nothing if the list is the answer.
    pub(super) list: Option<String>,
    /// The member of the answer with the length of the list, if it is not `total`.
    pub(super) total: Option<String>,
    /// The member of the answer with the object.
    pub(super) wrap: Option<String>,
    /// What the operation sets in the object that it is about.
    pub(super) set: Object,
    /// Further members of the answer.
    pub(super) with: Object,
}

static SHAPES: LazyLock<BTreeMap<String, Shape>> =
    LazyLock::new(|| serde_json::from_str(include_str!("shapes.json")).unwrap_or_default());

/// How the operation with this id answers.
pub(super) fn shape(operation: &str) -> Shape {
    SHAPES.get(operation).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use scope3_mcp_catalog::Catalog;

    use super::*;
    use crate::v2::route::Routes;

    #[test]
    fn every_shape_is_that_of_an_operation() {
        let shapes: BTreeMap<String, Shape> = serde_json::from_str(include_str!("shapes.json")).unwrap();
        let routes = Routes::of(&Catalog::embedded());
        for operation in shapes.keys() {
            assert!(routes.ids().any(|id| id == operation), "{operation}");
            assert!(crate::v2::flow::handler(operation).is_none(), "{operation} has a handler");
        }
    }
}
