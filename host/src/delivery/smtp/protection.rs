//! How well a connection is protected, and by what that is known.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;

/// By what a next hop has proven who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// By nothing: whoever answered.
    Nothing,
    /// By a certificate that is valid for its name.
    Certificate,
    /// By a certificate that is valid for a name in its domain's policy (RFC 8461).
    MtaSts,
    /// By a certificate that its DNS promises (RFC 7672).
    Dane,
}

/// When and how a connection is encrypted.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    /// Not at all.
    None,
    /// By STARTTLS when it is offered.
    Opportunistic(Arc<ClientConfig>),
    /// By STARTTLS, or there is no connection; a handshake is this proof.
    Required(Arc<ClientConfig>, Proof),
    /// From the first octet; a handshake is this proof.
    Implicit(Arc<ClientConfig>, Proof),
}

impl Security {
    /// What a handshake proves.
    pub const fn proof(&self) -> Proof {
        match self {
            Self::None | Self::Opportunistic(_) => Proof::Nothing,
            Self::Required(_, proof) | Self::Implicit(_, proof) => *proof,
        }
    }

    /// Why there is no connection without TLS, for people.
    pub const fn demand(&self) -> &'static str {
        match self.proof() {
            Proof::Nothing => "which its TLSA records require",
            Proof::Certificate => "which is required",
            Proof::MtaSts => "which the MTA-STS policy of the domain requires",
            Proof::Dane => "which DANE requires",
        }
    }
}

/// What a connection turned out to be. Shown like `1.3, verified by DANE`.
#[derive(Debug, Clone)]
pub(crate) struct Protection {
    /// The version of TLS; none in plain text.
    pub version: Option<&'static str>,
    /// By what the peer is known.
    pub proof: Proof,
    /// Why there is no TLS though it was tried.
    pub missed: Option<String>,
}

impl Protection {
    /// Plain text.
    pub const NONE: Self = Self {
        version: None,
        proof: Proof::Nothing,
        missed: None,
    };

    /// Encrypted, by a peer that has proven who it is.
    pub fn is_verified(&self) -> bool {
        self.version.is_some() && self.proof != Proof::Nothing
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(version) = self.version else {
            return match &self.missed {
                Some(missed) => write!(f, "none: {missed}"),
                None => f.write_str("none"),
            };
        };
        write!(f, "{version}, ")?;
        f.write_str(match self.proof {
            Proof::Nothing => "not verified",
            Proof::Certificate => "verified by certificate",
            Proof::MtaSts => "verified by MTA-STS",
            Proof::Dane => "verified by DANE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_tls_and_by_what_it_is_known() {
        let shown = |version, proof| {
            let protection = Protection {
                version,
                proof,
                missed: None,
            };
            protection.to_string()
        };
        assert_eq!(shown(Some("1.3"), Proof::Dane), "1.3, verified by DANE");
        assert_eq!(shown(Some("1.2"), Proof::Nothing), "1.2, not verified");
        assert_eq!(shown(None, Proof::Nothing), "none");
    }
}
