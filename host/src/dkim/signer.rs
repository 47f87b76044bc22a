//! Which keys sign a message, and the signatures that come of it while it streams by.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use mail_auth::common::crypto::{Algorithm as Named, DkimKey, HashImpl, Sha256, SigningKey};
use mail_auth::common::headers::{HeaderWriter, Writable};
use mail_auth::dkim::{Canonicalization, DkimSigner, DkimSigningStream, Done};

use super::{Config, DkimError, PrivateKey};
use crate::message::{Address, HeaderSection, domain_to_ascii};

/// Fields that are signed once more than they are there, so that none can be added (RFC 6376 §8.15).
const OVERSIGNED: [&str; 11] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
/// Fields that are signed where they are there; a mailing list may add its own.
const SIGNED: [&str; 11] = [
    "In-Reply-To",
    "References",
    "Content-ID",
    "Content-Description",
    "Content-Disposition",
    "Content-Language",
    "Auto-Submitted",
    "Importance",
    "List-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

/// The keys of the configuration, read and checked.
#[derive(Debug, Default)]
pub struct Keys {
    by_domain: HashMap<String, Vec<Entry>>,
    default_domain: Option<String>,
    remembered_messages: usize,
    /// Tells keys that were read from those read before.
    generation: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    selector: String,
    key: PrivateKey,
}

impl Keys {
    /// Reads the keys that the configuration names.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be used.
    pub fn read(config: &Config) -> Result<Self, DkimError> {
        static READ: AtomicU64 = AtomicU64::new(1);
        let mut keys = Self {
            remembered_messages: config.remembered_messages,
            generation: READ.fetch_add(1, Ordering::Relaxed),
            ..Self::default()
        };
        for named in &config.key {
            let (domain, selector) = Self::names(&named.domain, &named.selector)?;
            let key = PrivateKey::read(&named.private_key)?;
            let of_domain = keys.by_domain.entry(domain.clone()).or_default();
            if of_domain.iter().any(|known| known.selector == selector) {
                return Err(DkimError::Twice { selector, domain });
            }
            of_domain.push(Entry { selector, key });
        }
        if let Some(domain) = &config.default_domain {
            let domain = signing_domain(domain)?;
            if !keys.by_domain.contains_key(&domain) {
                return Err(DkimError::NoDefaultKey { domain });
            }
            keys.default_domain = Some(domain);
        }
        Ok(keys)
    }

    /// A domain and a selector as they stand in signatures and in DNS.
    ///
    /// # Errors
    /// When one of them cannot stand there.
    pub fn names(domain: &str, wanted: &str) -> Result<(String, String), DkimError> {
        Ok((signing_domain(domain)?, selector(wanted)?))
    }

    /// The domain that signs what is from `author`: itself, the nearest above it, or the default one.
    fn domain_of(&self, author: &str) -> Option<(&String, &Vec<Entry>)> {
        let parents = std::iter::successors(Some(author), |domain| {
            domain.split_once('.').map(|(_, parent)| parent)
        });
        parents
            .chain(self.default_domain.as_deref())
            .find_map(|domain| self.by_domain.get_key_value(domain))
    }
}

/// A domain as it is compared and signed with: A-labels.
fn signing_domain(domain: &str) -> Result<String, DkimError> {
    let ascii = domain_to_ascii(domain).filter(|domain| !domain.starts_with('['));
    ascii.ok_or_else(|| DkimError::Domain {
        domain: domain.to_owned(),
    })
}

/// RFC 6376 §3.1: labels as a host name has them.
fn selector(selector: &str) -> Result<String, DkimError> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    if selector.len() <= 128 && selector.split('.').all(is_label) {
        return Ok(selector.to_ascii_lowercase());
    }
    Err(DkimError::Selector {
        selector: selector.to_owned(),
    })
}

/// Signs messages with the keys in force. Cheap to clone; all clones have the same keys.
#[derive(Clone, Debug, Default)]
pub struct Signer {
    keys: Arc<ArcSwap<Keys>>,
}

impl Signer {
    /// Signs with these keys.
    pub fn new(keys: Keys) -> Self {
        Self {
            keys: Arc::new(ArcSwap::from_pointee(keys)),
        }
    }

    /// Signs with these keys from the next message on.
    pub fn replace(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// Which keys are in force; none when there are none.
    pub(crate) fn generation(&self) -> Option<u64> {
        let keys = self.keys.load();
        (!keys.by_domain.is_empty()).then_some(keys.generation)
    }

    /// How many messages what was found about them is remembered of.
    pub(crate) fn remembered_messages(&self) -> usize {
        self.keys.load().remembered_messages
    }

    /// What signs the message that begins with `head`, its header section at least; none when no key is
    /// for it.
    pub(crate) fn signatures(&self, head: &[u8]) -> Option<Signatures> {
        let keys = self.keys.load();
        if keys.by_domain.is_empty() {
            return None;
        }
        let section = HeaderSection::parse(head).ok()?;
        let author = section.originators().from.into_iter().next();
        let author: Option<Address> = author;
        let author_domain = author.map_or_else(String::new, |address| address.domain);
        let (domain, entries) = keys.domain_of(&author_domain)?;
        let fields = signed_fields(&section);
        let signers = entries.iter().map(|entry| {
            DkimSigner::from_key(Shared(Arc::clone(&entry.key.key)))
                .domain(domain.clone())
                .selector(entry.selector.clone())
                .headers(fields.iter().copied())
                .header_canonicalization(Canonicalization::Relaxed)
                .body_canonicalization(Canonicalization::Relaxed)
        });
        Some(Signatures {
            domain: domain.clone(),
            signers: signers.collect(),
        })
    }
}

/// The names for `h=`: the library signs every field of a name, and once more each name that is repeated here.
fn signed_fields(section: &HeaderSection<'_>) -> Vec<&'static str> {
    let present = SIGNED.into_iter().filter(|name| section.has(name));
    let oversigned = OVERSIGNED.into_iter().filter(|name| section.has(name));
    OVERSIGNED
        .into_iter()
        .chain(present)
        .chain(oversigned)
        .collect()
}

/// A key that several signers share.
pub(crate) struct Shared(Arc<DkimKey>);

impl SigningKey for Shared {
    type Hasher = Sha256;

    fn sign(&self, input: impl Writable) -> mail_auth::Result<Vec<u8>> {
        self.0.sign(input)
    }

    fn algorithm(&self) -> Named {
        self.0.algorithm()
    }
}

/// What signs one message: a signature for each key of its domain.
pub(crate) struct Signatures {
    domain: String,
    signers: Vec<DkimSigner<Shared, Done>>,
}

impl Signatures {
    /// Ready for the octets of the message, from its first on.
    pub fn begin(&self) -> Signing<'_> {
        Signing {
            domain: &self.domain,
            streams: self
                .signers
                .iter()
                .map(DkimSigner::sign_streaming)
                .collect(),
        }
    }
}

/// The signatures of a message that streams by. Holds its header section, and nothing of its body.
pub(crate) struct Signing<'a> {
    domain: &'a str,
    streams: Vec<DkimSigningStream<'a, Shared>>,
}

impl Signing<'_> {
    /// Takes the next octets, exactly as they leave (ahead of dot-stuffing).
    pub fn write(&mut self, octets: &[u8]) {
        for stream in &mut self.streams {
            stream.write(octets);
        }
    }

    /// The fields that go ahead of the message.
    ///
    /// # Errors
    /// When the library cannot sign.
    pub fn finish(self) -> Result<Vec<u8>, DkimError> {
        let mut fields = Vec::new();
        for stream in self.streams {
            let signature = stream.finish().map_err(|error| DkimError::Sign {
                domain: self.domain.to_owned(),
                reason: error.to_string(),
            })?;
            signature.write_header(&mut fields);
        }
        Ok(fields)
    }
}

/// The context of a hash is moved from thread to thread with its connection.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Signing<'_>>();
    is_send::<<Sha256 as HashImpl>::Context>();
};

#[cfg(test)]
mod tests;
