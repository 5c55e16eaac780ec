//! Scope3 keys: what one is, where keys come from, which one a request uses, and what is known about callers' keys.

mod command;
mod file;
mod key;
mod rejection;
mod reputation;
mod ring;
mod source;

pub use self::{
    command::CommandError,
    key::{ApiKey, Fingerprint, InvalidKey},
    reputation::{Admission, KeyReputations, NotAdmitted},
    ring::{KeyAge, KeyRing},
    source::{KeyError, KeySource},
};
