//! What can be wrong with how delivery is configured, and what to do about it.

use super::route::MIN_BANDWIDTH;
use crate::tls::TlsError;

/// Why delivery cannot work as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The mode needs a setting that is missing.
    #[error("delivery.mode is `smarthost`, but delivery.smarthost is not set")]
    NoSmarthost,
    /// A user name without a password, or a password without a user name.
    #[error("delivery.{of} needs both `username` and `password`, or neither")]
    HalfLogin {
        /// The smarthost.
        of: String,
    },
    /// A route's name is no word, or another route's.
    #[error("delivery.route: `{name}` cannot be the name of a route: {problem}")]
    RouteName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two routes want the mail of one domain.
    #[error("delivery.route: the routes `{one}` and `{other}` both have the domain {domain}")]
    SharedDomain {
        /// A route.
        one: String,
        /// The other.
        other: String,
        /// The domain as it is written.
        domain: String,
    },
    /// A limit that would stop all mail.
    #[error("delivery.{key} must be at least 1")]
    Zero {
        /// The setting.
        key: &'static str,
    },
    /// A bandwidth over which nothing arrives in time.
    #[error("delivery.bandwidth is {bandwidth}, less than {MIN_BANDWIDTH} bytes per second")]
    Bandwidth {
        /// The setting.
        bandwidth: u32,
    },
    /// The name in EHLO would break the command.
    #[error("`{name}` cannot be the name in EHLO")]
    HelloName {
        /// The name.
        name: String,
    },
    /// TLS cannot be prepared.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system's resolver configuration cannot be read.
    #[error("cannot prepare DNS lookups")]
    Resolver(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The trust anchors of DNSSEC cannot be read.
    #[error("cannot read delivery.dns.trust-anchor-file {path}")]
    TrustAnchor {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SetupError {
    /// What an administrator can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NoSmarthost => {
                "set smarthost = { host = \"...\" }, or mode = \"mx\" or \"maildir\""
            }
            Self::HalfLogin { .. } => "a smarthost that needs no login takes neither",
            Self::RouteName { .. } => "give each [[delivery.route]] a name of its own",
            Self::SharedDomain { .. } => "name each domain in one route alone",
            Self::Zero { .. } => "leave it out for the default",
            Self::Bandwidth { .. } => {
                "it counts bytes per second: 1000000 is 8 Mbit/s; leave it out for no limit"
            }
            Self::HelloName { .. } => "set delivery.hello-name to this relay's domain name",
            Self::Tls(error) => error.hint(),
            Self::Resolver(_) => {
                "set delivery.dns.servers, or name a resolver in /etc/resolv.conf; mode = \"smarthost\" needs none"
            }
            Self::TrustAnchor { .. } => {
                "write the DNSKEY records of the root there, as `kdig . DNSKEY` prints them"
            }
        }
    }
}
