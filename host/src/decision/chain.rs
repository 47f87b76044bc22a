//! Which policies made a decision: their modules, versions, settings and modes.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A chain of policies as it was when it decided. Equal chains have equal numbers, on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    id: i64,
    document: String,
    policies: Vec<Policy>,
}

/// One policy of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Policy {
    /// Its name in the configuration.
    pub name: String,
    /// Where it was read from, as the configuration says it.
    pub module: String,
    /// The version it states of itself.
    pub version: String,
    /// SHA-256 of the module in lower-case hexadecimal.
    pub sha256: String,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// Its settings, the JSON document it was given.
    pub settings: String,
}

impl Chain {
    /// The chain of these policies, in the order they are asked.
    pub fn new(policies: Vec<Policy>) -> Self {
        let document = serde_json::to_string(&policies).expect("texts can be written");
        Self {
            id: number(&document),
            document,
            policies,
        }
    }

    /// From the document that the store keeps; none when it is not one.
    pub fn parse(document: &str) -> Option<Self> {
        let policies = serde_json::from_str(document).ok()?;
        Some(Self {
            id: number(document),
            document: document.to_owned(),
            policies,
        })
    }

    /// A chain that is not known any more.
    pub fn unknown(id: i64) -> Self {
        Self {
            id,
            document: "[]".to_owned(),
            policies: Vec::new(),
        }
    }

    /// Its number, made from what it is.
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// The policies as a JSON document.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The policies in the order they are asked.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The policy of that name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }
}

/// 63 bits of the digest: they do not meet by chance, and there is nothing to be gained by making them.
fn number(document: &str) -> i64 {
    let digest = Sha256::digest(document);
    let first = digest.first_chunk().expect("a digest has 32 octets");
    i64::from_be_bytes(*first) & i64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(settings: &str) -> Policy {
        Policy {
            name: "sender-rules".to_owned(),
            module: "builtin:sender-rules".to_owned(),
            version: "1.0.0".to_owned(),
            sha256: "00".repeat(32),
            mode: "enforce".to_owned(),
            settings: settings.to_owned(),
        }
    }

    #[test]
    fn a_chain_is_told_by_what_it_is() {
        let block = Chain::new(vec![policy("{\"unauthorized\":\"block\"}")]);
        let alert = Chain::new(vec![policy("{\"unauthorized\":\"alert\"}")]);
        assert_ne!(block.id(), alert.id());
        assert!(block.id() >= 0 && alert.id() >= 0);
        assert_eq!(Chain::parse(block.document()), Some(block.clone()));
        assert_eq!(
            block.policy("sender-rules"),
            Some(&policy("{\"unauthorized\":\"block\"}"))
        );
        assert_eq!(Chain::parse("no document"), None);
    }
}
