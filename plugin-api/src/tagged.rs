//! Enums that can grow: chosen by their tag alone, and an unknown tag keeps its raw value.
//!
//! Serde's own trailing untagged variant would buffer every value and turn a malformed known
//! variant into the unknown one without a word. Here the tag decides: a known tag is read as its
//! variant or refused, an unknown one becomes `Other`. Values are written with the tag first, and
//! reading is without a buffer where it comes first.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The name of the field that holds the tag.
const TAG: &str = "type";

/// An enum that is read by its tag.
pub(crate) trait Tagged: DeserializeOwned {
    /// Reads the variant of a known tag from its fields; gives them back where the tag is unknown.
    fn from_fields<'de, D: Deserializer<'de>>(
        tag: &str,
        fields: D,
    ) -> Result<Result<Self, D::Error>, D>;

    /// Keeps a value whose tag is unknown. The map holds the tag too.
    fn unknown(raw: Map<String, Value>) -> Self;
}

/// Reads a [`Tagged`] enum from a map.
pub(crate) fn deserialize<'de, T: Tagged, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_map(TaggedVisitor(PhantomData))
}

struct TaggedVisitor<T>(PhantomData<T>);

impl<'de, T: Tagged> Visitor<'de> for TaggedVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a map with a `{TAG}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut before = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != TAG {
                before.insert(key, map.next_value()?);
                continue;
            }
            let tag: String = map.next_value()?;
            if !before.is_empty() {
                while let Some((key, value)) = map.next_entry()? {
                    before.insert(key, value);
                }
                return from_buffer(&tag, before);
            }
            return match T::from_fields(&tag, MapAccessDeserializer::new(map)) {
                Ok(variant) => variant,
                Err(fields) => Ok(T::unknown(with_tag(&tag, Map::deserialize(fields)?))),
            };
        }
        Err(A::Error::missing_field(TAG))
    }
}

/// Reads fields that came before their tag, once more with the tag first. The detour over bytes
/// spares every plugin a second copy of the code that reads each variant.
fn from_buffer<T: DeserializeOwned, E: Error>(
    tag: &str,
    fields: Map<String, Value>,
) -> Result<T, E> {
    let payload = rmp_serde::to_vec_named(&with_tag(tag, fields)).map_err(E::custom)?;
    rmp_serde::from_slice(&payload).map_err(E::custom)
}

/// Of two tags the first counts: a value must not be written as another than it was read as.
fn with_tag(tag: &str, fields: Map<String, Value>) -> Map<String, Value> {
    let mut raw = Map::new();
    raw.insert(TAG.to_owned(), tag.into());
    raw.extend(fields.into_iter().filter(|(key, _)| key != TAG));
    raw
}

/// Implements `Deserialize` for an enum by its tag; every variant but `Other` holds one struct.
macro_rules! read_by_tag {
    ($name:ident { $($tag:literal => $variant:ident),+ $(,)? }) => {
        impl crate::tagged::Tagged for $name {
            fn from_fields<'de, D: serde::Deserializer<'de>>(
                tag: &str,
                fields: D,
            ) -> Result<Result<Self, D::Error>, D> {
                Ok(match tag {
                    $($tag => serde::Deserialize::deserialize(fields).map($name::$variant),)+
                    _ => return Err(fields),
                })
            }

            fn unknown(raw: serde_json::Map<String, serde_json::Value>) -> Self {
                $name::Other(raw)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::tagged::deserialize(deserializer)
            }
        }
    };
}

/// Declares an enum of words that can grow: an unknown word is kept as it came.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A word that this version does not know, as it came.
            Other(String),
        }

        impl $name {
            /// The word that stands for it in payloads and on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $word, )+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $( $word => Self::$variant, )+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::from(word.as_ref()))
            }
        }
    };
}

pub(crate) use {read_by_tag, words};
