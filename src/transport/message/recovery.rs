//! Recovers the id of a request whose text is invalid or too long.

use super::{Id, envelope::Envelope, members::Members};

/// How many bytes at the end of a text are searched for members.
pub(crate) const TAIL_BYTES: usize = 2 * 1024;

/// The id of a request of which only the first and the last part are known.
pub(crate) fn recover_id(head: &[u8], tail: &[u8]) -> Option<Id> {
    let (first, _) = Envelope::of(head, &mut Members::of(head));
    let last = last_members(tail);
    let is_request = first.method.is_some() || last.method.is_some();
    first.id.or(last.id).filter(|_| is_request)
}

/// The members at the end of an object whose middle cannot be parsed, back to the first unmatched bracket.
pub(super) fn last_members(text: &[u8]) -> Envelope {
    let start = text.len().saturating_sub(TAIL_BYTES);
    let tail = &text[start..];
    let mut commas = (0..tail.len()).filter(|&at| tail[at] == b',');
    let read = |comma: usize| {
        let object = [b"{", &tail[comma + 1..]].concat();
        let mut members = Members::of(&object);
        let (envelope, fault) = Envelope::of(&object, &mut members);
        (members.are_whole() && fault.is_none()).then_some(envelope)
    };
    commas.find_map(read).unwrap_or_default()
}
