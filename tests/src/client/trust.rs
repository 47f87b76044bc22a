//! Trusts any certificate: the relay under test makes its own at first start.

use std::sync::Arc;

use gatepost::tls::{Roots, Verification, client_config};
use tokio_rustls::rustls::ClientConfig;

/// A client configuration that asks for no proof of identity. For tests on loopback alone.
pub fn trusting_config() -> Arc<ClientConfig> {
    client_config(&Roots::System, Verification::None)
        .expect("without verification no roots are read")
}
