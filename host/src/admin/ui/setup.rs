//! The values that client setups are written with: this relay's, and one user's.

use crate::accounts::{User, domain_entries, sender_entries};
use crate::autoconfig::{Encryption, Port, Relay};

/// What to type into a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The server.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How it is encrypted.
    pub encryption: Encryption,
    /// The user name.
    pub username: String,
    /// An address that the user may send as.
    pub sender: String,
}

/// A port of a relay that listens nowhere we know.
const SUBMISSION: Port = Port {
    number: 587,
    encryption: Encryption::StartTls,
};
/// The ports that Salesforce offers.
const SALESFORCE_PORTS: [u16; 4] = [25, 587, 10025, 11025];

impl Setup {
    /// For a user of this relay; without one, with a name that says so.
    pub fn new(relay: &Relay, user: Option<&User>) -> Self {
        let port = relay.recommended().unwrap_or(SUBMISSION);
        let username = user.map_or("USER-NAME", |user| &user.username);
        Self {
            host: relay.hostname.clone(),
            port: port.number,
            encryption: port.encryption,
            username: username.to_owned(),
            sender: user
                .and_then(sender)
                .unwrap_or_else(|| "you@example.com".to_owned()),
        }
    }

    /// The word for it in mail programs.
    pub const fn word(&self) -> &'static str {
        match self.encryption {
            Encryption::StartTls => "STARTTLS",
            Encryption::Implicit => "SSL/TLS",
            Encryption::None => "None",
        }
    }

    /// The word for it in WordPress.
    pub const fn wordpress_word(&self) -> &'static str {
        match self.encryption {
            Encryption::StartTls => "TLS",
            Encryption::Implicit => "SSL",
            Encryption::None => "None",
        }
    }

    /// The word for it in PHP.
    pub const fn php_word(&self) -> &'static str {
        match self.encryption {
            Encryption::StartTls => "tls",
            Encryption::Implicit => "ssl",
            Encryption::None => "",
        }
    }

    /// The word for it in Magento, where "TLS" means from the first octet.
    pub const fn magento_word(&self) -> &'static str {
        match self.encryption {
            Encryption::Implicit => "TLS",
            Encryption::StartTls | Encryption::None => "None",
        }
    }

    /// The address of the server for curl.
    pub fn curl_url(&self) -> String {
        let scheme = if self.encryption == Encryption::Implicit {
            "smtps"
        } else {
            "smtp"
        };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// The options of curl that insist on encryption.
    pub const fn curl_tls(&self) -> &'static str {
        match self.encryption {
            Encryption::StartTls => "--ssl-reqd ",
            Encryption::Implicit | Encryption::None => "",
        }
    }

    /// Whether Salesforce can reach this port.
    pub fn suits_salesforce(&self) -> bool {
        SALESFORCE_PORTS.contains(&self.port)
    }

    /// The domain of the sender.
    pub fn domain(&self) -> &str {
        self.sender.rsplit('@').next().unwrap_or_default()
    }
}

/// An address that this user may send as; none when it may be any.
pub fn sender(user: &User) -> Option<String> {
    let senders = sender_entries(&user.authorized_senders);
    let own = senders.into_iter().find(|entry| entry.contains('@'));
    own.or_else(|| {
        let domains = domain_entries(&user.authorized_domains);
        let domain = domains.into_iter().next()?;
        let domain = domain
            .strip_prefix("*.")
            .map_or(domain.clone(), |parent| format!("mail.{parent}"));
        Some(format!("info@{domain}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoconfig::fixtures;

    #[test]
    fn without_a_user_the_setup_says_what_is_to_be_filled_in() {
        let setup = Setup::new(&fixtures::relay(), None);
        assert_eq!(setup.host, "relay.example.com");
        assert_eq!((setup.port, setup.word()), (587, "STARTTLS"));
        assert_eq!(setup.username, "USER-NAME");
        assert_eq!(setup.domain(), "example.com");
        assert_eq!(setup.curl_url(), "smtp://relay.example.com:587");
        assert!(setup.suits_salesforce());
    }
}
