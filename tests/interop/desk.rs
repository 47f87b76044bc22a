//! The desk that a client is tried at: a relay with STARTTLS and implicit TLS, a user, and the recipient's maildir.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;

use gatepost::tls;
use gatepost_tests::relay::{Relay, Setup, User, free_port};
use gatepost_tests::wait;
use serde_json::Value;

use crate::received::Received;

/// The name in the certificate, by which clients connect so that they can verify it.
pub const HOST: &str = "localhost";
/// Who the user may be.
pub const AUTHORIZED: &str = "orders@example.com";
/// Who the user may not be.
pub const UNAUTHORIZED: &str = "boss@example.net";
/// To whom everything is sent.
pub const TO: &str = "customer@example.org";

/// How a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// By a command, as on port 587.
    Starttls,
    /// From the first octet, as on port 465.
    Implicit,
}

/// A running relay with one user, who may send from `example.com`.
pub struct Desk {
    pub relay: Relay,
    pub user: User,
    implicit_port: u16,
}

impl Desk {
    /// Starts the relay with a certificate for [`HOST`].
    pub fn open() -> Self {
        let implicit_port = free_port();
        let mut setup = Setup::maildir();
        setup.require_tls = true;
        let setup = setup.with(&format!(
            "\n[tls]\ncertificate = \"self-signed.crt\"\nkey = \"self-signed.key\"\n\
             \n[[listener]]\naddress = \"127.0.0.1\"\nports = [\"{implicit_port}\"]\ntls = \"implicit\"\n"
        ));
        let mut relay = Relay::prepare(&setup);
        tls::self_signed(relay.folder(), HOST).expect("a certificate can be made");
        relay.restart();
        wait::until("both ports are open", wait::PATIENCE, || {
            TcpStream::connect(("127.0.0.1", implicit_port)).is_ok()
        });
        let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
        Self {
            relay,
            user,
            implicit_port,
        }
    }

    /// The port for this kind of encryption.
    pub fn port(&self, security: Security) -> u16 {
        match security {
            Security::Starttls => self.relay.port(),
            Security::Implicit => self.implicit_port,
        }
    }

    /// The certificate that the clients trust.
    pub fn certificate(&self) -> PathBuf {
        self.relay.folder().join("self-signed.crt")
    }

    /// A file to attach: every octet there is, line ends and dots in awkward places.
    pub fn attachment(&self) -> PathBuf {
        let path = self.relay.folder().join("invoice.pdf");
        let mut octets: Vec<u8> = (0..=255).cycle().take(20_000).collect();
        octets.extend_from_slice(b"\r\n.\r\n\n..\n\r");
        fs::write(&path, octets).expect("the folder is writable");
        path
    }

    /// Waits for the one message that the client sent.
    ///
    /// # Panics
    /// When it does not come, or not alone.
    #[track_caller]
    pub fn received(&self) -> Received {
        let files = wait::until_some("the message has arrived", wait::PATIENCE, || {
            Some(self.files()).filter(|files| !files.is_empty())
        });
        assert_eq!(files.len(), 1, "one message was sent: {files:?}");
        Received::read(&files[0])
    }

    /// What the relay keeps of a message.
    #[track_caller]
    pub fn queued(&self, received: &Received) -> Value {
        self.relay.json(&["queue", "show", &received.queue_id()])
    }

    /// True when nothing has been accepted. A client is refused before it ends, so nothing is on its way.
    pub fn is_empty(&self) -> bool {
        let queue = self.relay.json(&["queue", "list"]);
        let is_queued = queue.as_array().is_some_and(|queue| !queue.is_empty());
        !is_queued && self.files().is_empty()
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.relay.folder().join("mail/example.org/customer/new");
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }
}
