//! What intake can be told.

use serde::Deserialize;

/// The `[intake]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// True shows the client's address in the Received field. Default false: an author's home
    /// address is nobody's business.
    pub show_client_address: bool,
    /// Octets of one message that are kept in memory at once, twice over at most; the rest waits in the store.
    /// Default 262,144; a message is delivered without reading it back when it is smaller.
    pub memory_octets: usize,
    /// Octets that all messages on their way in take of the memory together, beyond 32 KiB that each
    /// may use. Default 67,108,864 (64 MiB): a hundred large uploads. When it is used up, content goes
    /// to the store at once and in small parts.
    pub memory_total_octets: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            show_client_address: false,
            memory_octets: 256 * 1024,
            memory_total_octets: 64 * 1024 * 1024,
        }
    }
}
