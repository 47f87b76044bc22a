//! Limits of single destinations: `[[delivery.destination]]`.

use serde::Deserialize;

use crate::queue::canonical_domain;

/// How fast one destination is served, where it differs from the others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NamedDestination {
    /// The domain of the recipients in the mode `mx`, or `smarthost`, or `route:NAME`.
    pub domain: String,
    /// Transactions at a time, at least 1. Without it `delivery.per-destination`.
    #[serde(default)]
    pub concurrency: Option<usize>,
    /// Messages a second; 0 is without limit. Without it `delivery.per-destination-rate`.
    #[serde(default)]
    pub rate: Option<f64>,
}

impl NamedDestination {
    /// The name by which deliveries know the destination.
    pub fn name(&self) -> String {
        // The name of a route is a word of its own, in which case counts.
        if self.domain.starts_with("route:") {
            self.domain.clone()
        } else {
            canonical_domain(&self.domain)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_known_in_every_spelling() {
        for (written, name) in [
            ("Example.COM.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("smarthost", "smarthost"),
            ("route:Archive", "route:Archive"),
        ] {
            let text = format!("domain = \"{written}\"");
            let destination: NamedDestination = toml::from_str(&text).expect("valid");
            assert_eq!(destination.name(), name);
        }
    }
}
