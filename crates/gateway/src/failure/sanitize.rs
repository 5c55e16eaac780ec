//! Failures repeat a part of the caller's arguments, which may contain a secret.

use scope3_mcp_client::sanitize::Sanitizer;

use super::Failure;

impl Failure {
    /// Removes secrets and deceptive characters.
    pub(crate) fn sanitize(&mut self, sanitizer: &mut Sanitizer) {
        [&mut self.code, &mut self.message, &mut self.hint].into_iter().for_each(|text| sanitizer.text(text));
        self.details.iter_mut().for_each(|details| sanitizer.value(details));
        let sanitized = std::mem::take(self);
        // A replacement can be longer than what it replaces.
        *self = sanitized.fitted();
    }
}
