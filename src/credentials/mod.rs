//! Scope3 keys: what one is, where keys come from, and which one a request uses.

mod key;
mod ring;
mod source;

pub use self::{
    key::{ApiKey, Fingerprint, InvalidKey},
    ring::{KeyAge, KeyRing},
    source::{KeyError, KeySource},
};
