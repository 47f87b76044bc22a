//! One relay, or several of them, to hand mail to.

use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::secret::Secret;

/// How the connection to the smarthost is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// STARTTLS with a valid certificate, or no delivery.
    #[default]
    Required,
    /// STARTTLS when it is offered, with any certificate.
    Opportunistic,
    /// TLS from the first octet, usually on port 465 (RFC 8314).
    Implicit,
    /// Never; for a relay on the same machine.
    None,
}

/// A relay that mail is handed to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Smarthost {
    /// Its name or IP address.
    pub host: String,
    /// Default 587, submission (RFC 6409).
    #[serde(default = "submission_port")]
    pub port: u16,
    /// Default `required`.
    #[serde(default)]
    pub tls: Tls,
    /// With it comes a password; without it no AUTH is tried.
    #[serde(default)]
    pub username: Option<String>,
    /// The password of `username`.
    #[serde(default)]
    pub password: Option<Secret<String>>,
    /// Of several, the smallest is tried first, and equals take turns. Default: the place in the list, from 1.
    #[serde(default)]
    pub preference: Option<u16>,
}

const fn submission_port() -> u16 {
    587
}

impl Smarthost {
    /// `smtp.example.net:587`, for people.
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// `smarthost = { … }`, or several as a list; without any it is empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Smarthosts(pub Vec<Smarthost>);

impl From<Smarthost> for Smarthosts {
    fn from(one: Smarthost) -> Self {
        Self(vec![one])
    }
}

impl Deref for Smarthosts {
    type Target = [Smarthost];

    fn deref(&self) -> &[Smarthost] {
        &self.0
    }
}

/// By hand, because an untagged enum would tell nobody which key is wrong.
impl<'de> Deserialize<'de> for Smarthosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Smarthosts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a smarthost like { host = \"smtp.example.net\" }, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Smarthosts, A::Error> {
        Smarthost::deserialize(MapAccessDeserializer::new(map)).map(Smarthosts::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, several: A) -> Result<Smarthosts, A::Error> {
        let several = Vec::deserialize(SeqAccessDeserializer::new(several))?;
        if several.is_empty() {
            return Err(A::Error::custom("the list of smarthosts is empty"));
        }
        Ok(Smarthosts(several))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        smarthost: Smarthosts,
    }

    fn read(text: &str) -> Result<Smarthosts, String> {
        let holder: Result<Holder, _> = toml::from_str(text);
        holder
            .map(|holder| holder.smarthost)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_and_several_are_written_alike() {
        let one = read("smarthost = { host = \"a\" }").expect("valid");
        assert_eq!((one[0].port, one[0].tls), (587, Tls::Required));
        for text in [
            "smarthost = [{ host = \"a\" }, { host = \"b\", port = 25 }]",
            "[[smarthost]]\nhost = \"a\"\n[[smarthost]]\nhost = \"b\"\nport = 25",
        ] {
            let names: Vec<String> = read(text)
                .expect("valid")
                .iter()
                .map(Smarthost::name)
                .collect();
            assert_eq!(names, ["a:587", "b:25"]);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            (
                "smarthost = { host = \"a\", ports = 1 }",
                "unknown field `ports`",
            ),
            (
                "smarthost = [{ host = \"a\", ports = 1 }]",
                "unknown field `ports`",
            ),
            ("smarthost = []", "empty"),
            ("smarthost = \"a\"", "a smarthost like"),
            ("smarthost = [{ port = 25 }]", "missing field `host`"),
        ] {
            let error = read(text).expect_err(words);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
