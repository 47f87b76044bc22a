//! What a session is told about its surroundings, and the limits it keeps.

use serde::Deserialize;

/// When AUTH is offered and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthPolicy {
    /// Under TLS alone: PLAIN and LOGIN show the password to whoever listens.
    #[default]
    TlsOnly,
    /// Also in clear text.
    Always,
}

/// The surroundings and limits of a session.
///
/// The surroundings (`hostname` to `require_tls`) come from the listener; the limits are the
/// configuration's, one key each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SessionConfig {
    /// The name this server gives itself in the greeting and in the answer to EHLO.
    #[serde(skip)]
    pub hostname: String,
    /// What follows `220 hostname ESMTP`; may be empty.
    #[serde(skip)]
    pub banner: String,
    /// Whether STARTTLS is offered while the connection is not encrypted.
    #[serde(skip)]
    pub starttls: bool,
    /// When AUTH is offered and accepted.
    #[serde(skip)]
    pub auth: AuthPolicy,
    /// Whether mail and AUTH are refused until the connection is encrypted (`530 5.7.0`).
    #[serde(skip)]
    pub require_tls: bool,
    /// Octets of a message's content, announced by SIZE (RFC 1870). Default 52,428,800 (50 MiB):
    /// 25 MB of attachments fit in base64. Twice as many octets of refused content end the session.
    pub max_message_octets: u64,
    /// Octets of the header section. Default 262,144: real headers stay under a quarter of it, and
    /// a policy has to read all of them.
    pub max_header_octets: usize,
    /// Octets of a line of content, CRLF included. Default 1,000 (RFC 5321 §4.5.3.1.6).
    pub max_text_line_octets: usize,
    /// Recipients per transaction. Default 100, the minimum RFC 5321 §4.5.3.1.8 asks for.
    pub max_recipients: usize,
    /// Octets of a command or SASL response, CRLF included. Default 12,288, what RFC 4954 §4 asks
    /// for; RFC 5321 §4.5.3.1.4 asks for 512 and room for parameters. A line eight times as long
    /// ends the session.
    pub max_command_octets: usize,
    /// Malformed, unknown and untimely commands until a message is accepted. Default 20: more is
    /// no client but a guess.
    pub max_bad_commands: u32,
    /// Refused logins in a session. Default 5 (RFC 4954 §4 advises a limit against guessing).
    pub max_failed_logins: u32,
    /// Commands, without as many RCPT as a transaction may have, until a message is accepted.
    /// Default 1,000: enough for a pool that keeps a connection alive with NOOP.
    pub max_commands_between_messages: usize,
    /// Messages per session. Default 1,000, so that a session cannot outlive every change.
    pub max_transactions: u32,
    /// Recipients per session: a session that has had so many begins no further message. Default
    /// 10,000: a newsletter connects again now and then.
    pub max_session_recipients: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            banner: "Gatepost".to_owned(),
            starttls: false,
            auth: AuthPolicy::default(),
            require_tls: false,
            max_message_octets: 50 * 1024 * 1024,
            max_header_octets: 256 * 1024,
            max_text_line_octets: 1000,
            max_recipients: 100,
            max_command_octets: 12_288,
            max_bad_commands: 20,
            max_failed_logins: 5,
            max_commands_between_messages: 1000,
            max_transactions: 1000,
            max_session_recipients: 10_000,
        }
    }
}

impl SessionConfig {
    /// Octets after which a command line that has not ended ends the session.
    pub(super) fn max_discarded_command_octets(&self) -> usize {
        self.max_command_octets.saturating_mul(8)
    }

    /// Octets of refused content after which the session ends.
    pub(super) fn max_discarded_content_octets(&self) -> u64 {
        self.max_message_octets.saturating_mul(2)
    }

    /// Commands that may come until a message is accepted.
    pub(super) fn max_commands(&self) -> usize {
        self.max_commands_between_messages
            .saturating_add(self.max_recipients)
    }
}
