//! Failures repeat a part of the caller's arguments, which may contain a secret.

use scope3_mcp_client::sanitize::Sanitizer;

use super::Failure;

impl Failure {
    /// Removes secrets and deceptive characters.
    pub(crate) fn sanitize(&mut self, sanitizer: &mut Sanitizer) {
        for text in [&mut self.code, &mut self.message, &mut self.hint] {
            sanitizer.text(text);
        }
        if let Some(details) = &mut self.details {
            sanitizer.value(details);
        }
        let clean = std::mem::take(self);
        // A replacement can be longer than what it replaces.
        *self = clean.fitted();
    }
}
