//! Objects of JSON, and nothing else: what serde derives for a struct takes an array of its fields as well, so that
//! `"filter": []` would be a filter that everything fits.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A value that is written as an object.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

/// Reads a field that is an object.
///
/// # Errors
/// It is something else, or not as its type wants it.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_map(Fields(PhantomData))
}

/// Reads a field that is a list of objects.
///
/// # Errors
/// As [`object`].
pub fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let all: Vec<Object<T>> = Vec::deserialize(deserializer)?;
    Ok(all.into_iter().map(|Object(one)| one).collect())
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(deserialize_with = "object")]
        inner: Inner,
        #[serde(default, deserialize_with = "objects")]
        more: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(default)]
        a: Option<u8>,
    }

    #[test]
    fn only_an_object_is_one() {
        for (text, is_read) in [
            (r#"{"inner": {"a": 1}, "more": [{"a": 2}, {}]}"#, true),
            (r#"{"inner": {}}"#, true),
            (r#"{"inner": []}"#, false),
            (r#"{"inner": [1]}"#, false),
            (r#"{"inner": null}"#, false),
            (r#"{"inner": {"b": 1}}"#, false),
            (r#"{"inner": {}, "more": [[1]]}"#, false),
            (r#"[{"a": 1}]"#, false),
        ] {
            let read: Result<Object<Outer>, _> = serde_json::from_str(text);
            assert_eq!(read.is_ok(), is_read, "{text}");
        }
    }
}
