//! Mailboxes as they stand in MAIL and RCPT (RFC 5321 §4.1.2).

use std::fmt;
use std::str::FromStr;

/// A valid `Local-part@Domain`, kept as it was received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    text: Box<str>,
    at: usize,
}

/// Why a text is not a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mailbox")]
pub struct MailboxError(String);

impl Mailbox {
    /// The local-part, with its quotes if it has any.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain, or an address literal with its brackets.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// `local-part@domain`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text
            .rfind('@')
            .ok_or_else(|| MailboxError(text.to_owned()))?;
        Ok(Self {
            text: text.into(),
            at,
        })
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
