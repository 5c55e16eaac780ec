//! Scope3 API keys: their form, their sources, which key a request uses, and the reputation of callers' keys.

mod command;
mod fetched;
mod file;
mod key;
mod keychain;
mod rejection;
mod reputation;
mod ring;
mod source;

pub use self::{
    command::CommandError,
    key::{ApiKey, Fingerprint, InvalidKey},
    keychain::{Keychain, KeychainError, StoredKey},
    reputation::{Admission, KeyReputations, NotAdmitted},
    ring::{KeyAge, KeyRing},
    source::{KeyError, KeySource},
};
