//! Journal entries as they come from Redis.

use std::{collections::HashMap, fmt::Display, str::FromStr};

use jiff::Timestamp;
use redis::{FromRedisValue, ParsingError, Value};

use crate::{
    journal::{Digest, Entry, EntryId},
    state::shown_key,
};

/// The fields of a hash.
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, ParsingError> {
        let text = self.take(name).unwrap_or_default();
        text.parse().map_err(|error| ParsingError::from(format!("{name}: {error}")))
    }

    pub(super) fn time(&mut self, name: &str) -> Result<Timestamp, ParsingError> {
        self.parse(name).map(time)
    }

    /// Bytes in hexadecimal notation.
    pub(super) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, ParsingError> {
        let text = self.take(name).unwrap_or_default();
        let pairs = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            u8::from_str_radix(pair, 16)
        });
        let bytes: Result<Vec<u8>, _> = pairs.collect();
        bytes.map_err(|error| ParsingError::from(format!("{name}: {error}")))
    }

    pub(super) fn digest(&mut self, name: &str) -> Result<Digest, ParsingError> {
        let bytes = <[u8; 32]>::try_from(self.bytes(name)?);
        bytes.map(Digest).map_err(|_| ParsingError::from(format!("{name}: expected 32 bytes")))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromRedisValue for Fields {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        HashMap::from_redis_value(value).map(Self)
    }
}

/// An entry, as the scripts return it.
pub(super) struct Stored(pub(super) Entry);

impl FromRedisValue for Stored {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut fields = Fields::from_redis_value(value)?;
        let ids = fields.take("ids").unwrap_or_default();
        Ok(Self(Entry {
            id: EntryId(fields.parse("id")?),
            made_at: fields.time("made_at")?,
            state: fields.parse("state")?,
            since: fields.time("since")?,
            tool: fields.take("tool").unwrap_or_default(),
            effect: fields.take("effect").unwrap_or_default(),
            target: fields.take("target"),
            amount: fields.take("amount"),
            currency: fields.take("currency"),
            client: fields.take("client"),
            session: fields.take("session"),
            key: shown_key(&fields.bytes("key")?),
            digest: fields.digest("digest")?,
            arguments: fields.take("arguments"),
            caller_key: fields.take("caller_key"),
            api_key: fields.take("api_key"),
            code: fields.take("code"),
            ids: ids.split_whitespace().map(str::to_owned).collect(),
            outcome: fields.take("outcome"),
        }))
    }
}

/// A time in Redis. One that is out of range was not written by this program.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}
