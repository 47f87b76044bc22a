//! Signs what leaves (DKIM, RFC 6376) with the keys of the configuration, RSA and Ed25519 (RFC 8463).
//!
//! It sees octets and returns header fields. It neither sends nor asks anything: `delivery` hands it what a
//! next hop is about to be sent, `cli` makes keys and compares them with DNS.

mod config;
mod error;
mod key;
mod record;
mod signer;

pub use self::config::{Config, KeyConfig};
pub use self::error::DkimError;
pub use self::key::{Algorithm, PrivateKey};
pub use self::record::{Published, Record, record_name};
pub(crate) use self::signer::Signatures;
pub use self::signer::{Keys, Signer};

/// A new folder for the files of one test.
#[cfg(test)]
fn scratch() -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("gatepost-dkim-{}", crate::id::session_id()));
    std::fs::create_dir(&dir).expect("the temporary folder is writable");
    dir
}
