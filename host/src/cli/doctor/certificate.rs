//! What a handshake showed, and what a mail client would think of the certificate.

use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConnection, RootCertStore};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::finding::Finding;
use crate::clock::Timestamp;

/// Days before its end that a certificate is reported. Default 14: authorities' own clients renew at 30.
const EXPIRY_WARNING_DAYS: u64 = 14;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Names of a certificate that are shown.
const MAX_NAMES: usize = 10;

/// What certificates are judged by.
pub struct Trust {
    /// The name that clients type.
    pub name: ServerName<'static>,
    /// The authorities; why there are none.
    pub roots: Result<RootCertStore, String>,
    /// The relay's own certificates, when it is this machine's.
    pub own: Vec<CertificateDer<'static>>,
}

/// What a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// For example `TLSv1_3`.
    pub version: String,
    /// For example `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The server's own certificate; why it cannot be read.
    pub leaf: Result<Leaf, String>,
    /// Whether the chain leads to an authority that is trusted.
    pub chain: Result<(), ChainFault>,
    /// Whether the certificate is valid for the name.
    pub name_fits: bool,
    /// Whether it is, octet by octet, one that this machine's configuration names.
    pub is_own: bool,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its octets, to tell certificates apart.
    pub der: Vec<u8>,
    /// The names and addresses it is for.
    pub names: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// True when nobody else did.
    pub self_signed: bool,
    /// Not valid before.
    pub not_before: Timestamp,
    /// Not valid after.
    pub not_after: Timestamp,
}

/// Why a chain is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// It ends at somebody unknown.
    UnknownIssuer,
    /// Its time is wrong; the expiry tells more.
    Time,
    /// There are no authorities to judge by, and why.
    NoRoots(String),
    /// The verifier's words.
    Other(String),
}

impl TlsFacts {
    /// True when a password may be sent: the peer is proven to be the relay.
    pub const fn is_proven(&self) -> bool {
        self.is_own || (self.chain.is_ok() && self.name_fits)
    }

    /// Reads what the handshake of `connection` showed.
    pub fn of(connection: &ClientConnection, trust: &Trust) -> Self {
        let chain = connection.peer_certificates().unwrap_or_default();
        let cipher = connection.negotiated_cipher_suite();
        let version = connection.protocol_version();
        let unknown = || "unknown".to_owned();
        Self {
            version: version
                .and_then(|version| version.as_str())
                .map_or_else(unknown, |name| name.replace("v1_", " 1.")),
            cipher: cipher.map_or_else(unknown, |suite| format!("{:?}", suite.suite())),
            leaf: read_leaf(chain),
            chain: judge_chain(chain, trust),
            name_fits: fits_name(chain, &trust.name),
            is_own: chain.first().is_some_and(|leaf| trust.own.contains(leaf)),
        }
    }
}

fn judge_chain(chain: &[CertificateDer<'_>], trust: &Trust) -> Result<(), ChainFault> {
    let roots = match &trust.roots {
        Ok(roots) => roots,
        Err(reason) => return Err(ChainFault::NoRoots(reason.clone())),
    };
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(ChainFault::Other("the server showed none".to_owned()));
    };
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let verified = ParsedCertificate::try_from(leaf).and_then(|leaf| {
        let now = UnixTime::now();
        verify_server_cert_signed_by_trust_anchor(&leaf, roots, intermediates, now, algorithms.all)
    });
    verified.map_err(ChainFault::from)
}

impl From<rustls::Error> for ChainFault {
    fn from(error: rustls::Error) -> Self {
        use CertificateError::{
            BadSignature, Expired, ExpiredContext, NotValidYet, NotValidYetContext, UnknownIssuer,
            UnsupportedSignatureAlgorithmForPublicKeyContext as OtherKey,
        };
        let rustls::Error::InvalidCertificate(reason) = &error else {
            return Self::Other(error.to_string());
        };
        match reason {
            // An authority of the issuer's name is known, such as `CN=localhost`, but it is another one.
            UnknownIssuer | BadSignature | OtherKey { .. } => Self::UnknownIssuer,
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => Self::Time,
            _ => Self::Other(error.to_string()),
        }
    }
}

fn fits_name(chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> bool {
    let leaf = chain.first().map(ParsedCertificate::try_from);
    matches!(leaf, Some(Ok(leaf)) if verify_server_name(&leaf, name).is_ok())
}

fn read_leaf(chain: &[CertificateDer<'_>]) -> Result<Leaf, String> {
    let der = chain.first().ok_or("the server showed no certificate")?;
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| format!("it cannot be read: {error}"))?;
    let names = match certificate.subject_alternative_name() {
        Ok(Some(extension)) => extension.value.general_names.iter(),
        _ => [].iter(),
    };
    let validity = certificate.validity();
    let at = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
    Ok(Leaf {
        der: der.to_vec(),
        names: names.filter_map(general_name).collect(),
        issuer: certificate.issuer().to_string(),
        self_signed: certificate.issuer() == certificate.subject(),
        not_before: at(validity.not_before.timestamp()),
        not_after: at(validity.not_after.timestamp()),
    })
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets)
                .ok()
                .map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*octets)
                .ok()
                .map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// What is found about the version and the cipher.
pub fn protocol(label: &str, facts: &TlsFacts) -> Finding {
    let detail = format!("{} with {}", facts.version, facts.cipher);
    Finding::ok(format!("tls {label}"), detail)
}

/// What is found about the certificate: chain, names, expiry.
pub fn judge(label: &str, name: &str, facts: &TlsFacts, now: Timestamp) -> Vec<Finding> {
    match &facts.leaf {
        Ok(leaf) => vec![
            chain(label, name, facts, leaf),
            names(label, name, facts, leaf),
            expiry(label, leaf, now),
        ],
        Err(reason) => {
            let fix = "set tls.certificate to the PEM file of the chain, the server's own first";
            vec![Finding::failed(format!("chain {label}"), reason).fix(fix)]
        }
    }
}

fn chain(label: &str, name: &str, facts: &TlsFacts, leaf: &Leaf) -> Finding {
    let check = format!("chain {label}");
    match &facts.chain {
        Ok(()) => Finding::ok(check, format!("trusted; issued by {}", leaf.issuer)),
        Err(ChainFault::UnknownIssuer) if leaf.self_signed => {
            let fix = format!(
                "set tls.certificate and tls.key to a certificate for {name} from an authority, or \
                 enable tls.acme; or make every client trust this one, and check it with --ca-file FILE"
            );
            Finding::failed(
                check,
                "self-signed: mail clients warn, or refuse to connect",
            )
            .fix(fix)
        }
        Err(ChainFault::UnknownIssuer) => {
            let detail = format!("no trusted authority: issued by {}", leaf.issuer);
            let fix = "put the intermediate certificates behind the server's own in tls.certificate (often \
                       fullchain.pem); a private authority is named with --ca-file FILE";
            Finding::failed(check, detail).fix(fix)
        }
        Err(ChainFault::Time) => Finding::failed(
            check,
            "a certificate of the chain is not valid at this time",
        )
        .fix("renew the certificate with its whole chain, and check this machine's clock"),
        Err(ChainFault::NoRoots(reason)) => Finding::failed(check, reason)
            .fix("install the package ca-certificates, or name authorities with --ca-file FILE"),
        Err(ChainFault::Other(reason)) => Finding::failed(check, reason)
            .fix("set tls.certificate to a server certificate with its whole chain"),
    }
}

fn names(label: &str, name: &str, facts: &TlsFacts, leaf: &Leaf) -> Finding {
    let check = format!("names {label}");
    let shown = match leaf.names.len() {
        0 => "no name at all".to_owned(),
        count if count > MAX_NAMES => {
            format!(
                "{} and {} more",
                leaf.names[..MAX_NAMES].join(", "),
                count - MAX_NAMES
            )
        }
        _ => leaf.names.join(", "),
    };
    if facts.name_fits {
        return Finding::ok(check, format!("valid for {name} (has {shown})"));
    }
    let fix = match leaf.names.first() {
        Some(first) => format!(
            "type {first} as the server in mail clients, or get a certificate that has {name}"
        ),
        None => format!("get a certificate that has {name} as subject alternative name"),
    };
    Finding::failed(check, format!("not valid for {name}: has {shown}")).fix(fix)
}

fn expiry(label: &str, leaf: &Leaf, now: Timestamp) -> Finding {
    let check = format!("expiry {label}");
    let renew =
        "renew the certificate: the relay reads the new file by itself, at the latest on SIGHUP";
    let (from, until) = (leaf.not_before, leaf.not_after);
    if now < from {
        return Finding::failed(check, format!("not valid before {from}"))
            .fix("check the clocks of this machine and of the relay");
    }
    if now > until {
        return Finding::failed(check, format!("expired on {until}")).fix(renew);
    }
    let left = until.since(now);
    let days = left.as_secs() / DAY.as_secs();
    let detail = format!("valid until {until}, {days} days from now");
    if left < DAY * u32::try_from(EXPIRY_WARNING_DAYS).unwrap_or(u32::MAX) {
        return Finding::warning(check, detail).fix(renew);
    }
    Finding::ok(check, detail)
}

#[cfg(test)]
mod tests;
