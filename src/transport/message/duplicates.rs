//! Checks that no object in a JSON text has a duplicate member.

use std::{
    collections::HashSet,
    fmt,
    hash::{BuildHasher, RandomState},
};

use serde::{
    Deserialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};

/// A JSON value in which no object has a duplicate member.
#[derive(Debug)]
pub(super) struct NoDuplicates;

impl<'de> Deserialize<'de> for NoDuplicates {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NoDuplicatesVisitor)
    }
}

struct NoDuplicatesVisitor;

impl<'de> Visitor<'de> for NoDuplicatesVisitor {
    type Value = NoDuplicates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<NoDuplicates, E> {
        Ok(NoDuplicates)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<NoDuplicates, E> {
        Ok(NoDuplicates)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<NoDuplicates, E> {
        Ok(NoDuplicates)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<NoDuplicates, E> {
        Ok(NoDuplicates)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<NoDuplicates, E> {
        Ok(NoDuplicates)
    }

    fn visit_unit<E: de::Error>(self) -> Result<NoDuplicates, E> {
        Ok(NoDuplicates)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoDuplicates, A::Error> {
        while items.next_element::<NoDuplicates>()?.is_some() {}
        Ok(NoDuplicates)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NoDuplicates, A::Error> {
        // Hashes take a fraction of the memory of names. The hash is keyed, so a sender cannot construct collisions.
        let mut seen = HashSet::new();
        let hasher = RandomState::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == SERDE_NUMBER_MEMBER {
                let number = members.next_value::<String>().ok().and_then(|number| number.parse().ok());
                return match number {
                    Some(number) if f64::is_finite(number) => Ok(NoDuplicates),
                    _ => Err(de::Error::custom(OUT_OF_RANGE)),
                };
            }
            members.next_value::<NoDuplicates>()?;
            if !seen.insert(hasher.hash_one(&name)) {
                return Err(de::Error::custom(DUPLICATE_MEMBER));
            }
        }
        Ok(NoDuplicates)
    }
}

/// The member with which `serde_json` represents a number with all its digits (feature `arbitrary_precision`).
const SERDE_NUMBER_MEMBER: &str = "$serde_json::private::Number";

/// The error for a number that is valid JSON but out of the range of `f64`.
pub(super) const OUT_OF_RANGE: &str = "number out of range";

/// The error for a duplicate member. It does not repeat the name, which may be a secret.
const DUPLICATE_MEMBER: &str = "duplicate member";
