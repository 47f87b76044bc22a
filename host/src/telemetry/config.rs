//! The `[telemetry]` section: where traces go, if anywhere.

use std::path::PathBuf;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::fetch::Target;
use crate::secret::Secret;

/// What a collector's path ends with (OTLP/HTTP).
const PATH: &str = "/v1/traces";

/// The `[telemetry]` section.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// An OpenTelemetry collector that takes OTLP over HTTP, like `http://127.0.0.1:4318`. Default: none, and nothing is
    /// traced.
    pub endpoint: Option<String>,
    /// Header fields of each request, like `authorization: Bearer …`, for collectors that want to know who sends.
    /// Default: none.
    pub headers: Vec<Secret<String>>,
    /// A PEM file of the authorities that the collector is trusted by. Default: the system's.
    pub ca_file: Option<PathBuf>,
    /// What the collector calls this relay; all nodes of a store say the same. Default `gatepost`.
    pub service_name: String,
    /// The part of all messages that is traced, up to 1. Default 1.
    pub sample: f64,
    /// Reports (a message taken in, an attempt) that wait to be sent; beyond it they are lost, and mail goes on.
    /// Default 4096, some 4 MB.
    pub max_waiting: usize,
    /// Seconds for one request. Default 10.
    pub timeout_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: Vec::new(),
            ca_file: None,
            service_name: "gatepost".to_owned(),
            sample: 1.0,
            max_waiting: 4096,
            timeout_s: 10,
        }
    }
}

impl Config {
    /// Where traces go; none when nothing is traced.
    ///
    /// # Errors
    /// What is wrong with the URL, for people.
    pub fn target(&self) -> Result<Option<Target>, String> {
        let Some(endpoint) = &self.endpoint else {
            return Ok(None);
        };
        let mut target = Target::parse(endpoint)?;
        if !target.path.ends_with(PATH) {
            target.path = format!("{}{PATH}", target.path.trim_end_matches('/'));
        }
        Ok(Some(target))
    }

    /// The header fields by name and value; none when one of them is no field.
    pub fn fields(&self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let field = |text: &Secret<String>| {
            let (name, value) = text.expose().split_once(':')?;
            let mut value = HeaderValue::try_from(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name.trim()).ok()?, value))
        };
        self.headers.iter().map(field).collect()
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added_unless_it_is_there() {
        for (endpoint, path) in [
            ("http://127.0.0.1:4318", "/v1/traces"),
            ("http://127.0.0.1:4318/", "/v1/traces"),
            ("https://otlp.example.com/otlp/v1/traces", "/otlp/v1/traces"),
            ("https://otlp.example.com/otlp", "/otlp/v1/traces"),
        ] {
            let config = Config {
                endpoint: Some(endpoint.to_owned()),
                ..Config::default()
            };
            let target = config.target().expect("a URL").expect("there is one");
            assert_eq!(target.path, path, "{endpoint}");
        }
        assert_eq!(Config::default().target(), Ok(None));
    }
}
