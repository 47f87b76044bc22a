//! The certificates that clients are shown, replaceable while sessions run.
//!
//! A handshake takes what is shown when it begins; a session that runs is never touched.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::loaded::{self, Facts, Loaded};
use super::{MinVersion, TlsError, provider};

/// What clients are shown: one certificate for everyone, and others for those who ask for their
/// names (SNI, RFC 6066 §3). Cheap to clone; all clones show the same.
#[derive(Clone)]
pub struct Certificates {
    shown: Arc<RwLock<Shown>>,
}

struct Shown {
    default: Arc<CertifiedKey>,
    /// By lower-case name, which may begin with `*.`.
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// Shows `default` to everyone.
    pub fn new(default: CertifiedKey) -> Self {
        let shown = Shown {
            default: Arc::new(default),
            by_name: HashMap::new(),
        };
        Self {
            shown: Arc::new(RwLock::new(shown)),
        }
    }

    /// Shows another default certificate from the next handshake on; the additional ones stay.
    pub fn replace(&self, default: CertifiedKey) {
        self.shown.write().default = Arc::new(default);
    }

    /// Shows other additional certificates from the next handshake on, each to clients that ask for
    /// one of its names. Of two certificates with the same name the earlier one is shown.
    pub fn replace_additional(&self, additional: Vec<Loaded>) {
        self.shown.write().by_name = by_name(additional);
    }

    /// Shows other certificates at once, so that no handshake sees a mixture. Without a `default`
    /// the present one stays.
    pub fn replace_all(&self, default: Option<CertifiedKey>, additional: Vec<Loaded>) {
        let by_name = by_name(additional);
        let mut shown = self.shown.write();
        if let Some(default) = default {
            shown.default = Arc::new(default);
        }
        shown.by_name = by_name;
    }

    /// What all certificates say of themselves that are shown now.
    pub fn facts(&self) -> Vec<Facts> {
        let shown = self.shown.read();
        let keys = std::iter::once(&shown.default).chain(shown.by_name.values());
        let mut facts: Vec<Facts> = Vec::new();
        for one in keys.filter_map(|key| Facts::of(key)) {
            if !facts.contains(&one) {
                facts.push(one);
            }
        }
        facts
    }

    /// The default certificate as it is now.
    pub fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.shown.read().default)
    }

    /// What handshakes need, from the protocol version `min_version` on.
    ///
    /// # Errors
    /// When the provider does not support the protocol versions.
    pub fn server_config(&self, min_version: MinVersion) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(min_version.versions())
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        // The strongest suite that both know, whatever a client likes best.
        config.ignore_client_order = true;
        Ok(Arc::new(config))
    }

    fn named(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let shown = self.shown.read();
        let named = name.and_then(|name| shown.named(&name.to_ascii_lowercase()));
        Arc::clone(named.unwrap_or(&shown.default))
    }
}

impl Shown {
    /// RFC 9525 §6.3: `*` stands for exactly one label, the first.
    fn named(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        };
        self.by_name.get(name).or_else(wildcard)
    }
}

fn by_name(additional: Vec<Loaded>) -> HashMap<String, Arc<CertifiedKey>> {
    let mut by_name = HashMap::new();
    for Loaded { key, facts, .. } in additional {
        let key = Arc::new(key);
        for name in facts.names {
            by_name.entry(name).or_insert_with(|| Arc::clone(&key));
        }
    }
    by_name
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.named(client_hello.server_name()))
    }
}

/// Serial numbers, never keys.
impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown.read();
        let serial = loaded::serial(&shown.default).unwrap_or_default();
        f.debug_struct("Certificates")
            .field("default", &serial)
            .field("names", &shown.by_name.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{scratch, self_signed};

    fn made(name: &str) -> Loaded {
        let files = self_signed(&scratch(), name).expect("a plain name");
        Loaded::read(&files.certificate, &files.key).expect("they fit")
    }

    fn serial(key: &CertifiedKey) -> String {
        loaded::serial(key).expect("a certificate")
    }

    #[test]
    fn a_replaced_certificate_is_shown_by_every_clone() {
        let (old, new) = (made("a.example"), made("a.example"));
        let expected = serial(&new.key);
        assert_ne!(serial(&old.key), expected);
        let certificates = Certificates::new(old.key);
        let clone = certificates.clone();
        certificates.replace(new.key);
        assert_eq!(serial(&clone.named(None)), expected);
    }

    #[test]
    fn an_additional_certificate_is_chosen_by_its_name_and_a_wildcard_covers_one_label() {
        let default = made("relay.example.com");
        let (plain, wild) = (made("Mail.Example.net"), made("*.example.org"));
        let cases = [
            (Some("mail.example.net"), serial(&plain.key)),
            (Some("MAIL.example.NET"), serial(&plain.key)),
            (Some("a.example.org"), serial(&wild.key)),
            (Some("a.b.example.org"), serial(&default.key)),
            (Some("example.org"), serial(&default.key)),
            (Some("org"), serial(&default.key)),
            (None, serial(&default.key)),
        ];
        let certificates = Certificates::new(default.key);
        certificates.replace_additional(vec![plain, wild]);
        for (name, expected) in cases {
            assert_eq!(serial(&certificates.named(name)), expected, "{name:?}");
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let certificates = Certificates::new(made("relay.example.com").key);
        let text = format!("{certificates:?}");
        assert!(text.starts_with("Certificates { default: \""), "{text}");
        assert!(!text.contains("Key"), "{text}");
    }
}
