//! Scope3 keys: what one is, where keys come from, which one a request uses, and what is known about callers' keys.

mod command;
mod file;
mod key;
mod rejection;
mod ring;
mod source;
mod standing;

pub use self::{
    command::CommandError,
    key::{ApiKey, Fingerprint, InvalidKey},
    ring::{KeyAge, KeyRing},
    source::{KeyError, KeySource},
    standing::{Admission, NotAdmitted, Standings},
};
