//! When two calls are the same change.

use crate::{Gateway, caller::Call, journal::Digest, question::Matter, record::CallRecord};

impl Gateway {
    /// What makes two changes the same: the tool, or the one that does the same, and the arguments.
    pub(super) async fn digest(
        &self,
        call: &Call,
        matter: &Matter<'_>,
        customer: Option<u64>,
        record: &mut CallRecord,
    ) -> Digest {
        let &Matter { entry, arguments, .. } = matter;
        let own = || Digest::of(entry.surface, &entry.tool.name, customer, arguments);
        let Some(same) = &entry.tool.same_as else { return own() };
        let Some(id) = &same.id else {
            return Digest::of(entry.surface, &same.tool, customer, arguments);
        };
        let objects = self.read_objects(call, matter, &id.from, record).await.unwrap_or_default();
        // If the other id cannot be read, the calls of this tool are at least the same as each other.
        let Some(other) = objects.first().and_then(|object| object.get(&*id.member)) else { return own() };
        let Some(twin) = matter.catalog.get(&same.tool) else { return own() };
        let mut arguments = arguments.clone();
        arguments.shift_remove(&*id.argument);
        arguments.insert(id.other.to_string(), other.clone());
        // Answers have texts where arguments are numbers.
        match twin.check_arguments(arguments) {
            Ok(arguments) => Digest::of(entry.surface, &same.tool, customer, &arguments),
            Err(_) => own(),
        }
    }
}
