//! Why a relay does not start, and what to do about it.

use crate::admin::service::ServiceError;
use crate::delivery::SetupError;
use crate::dkim::DkimError;
use crate::http;
use crate::listener::ListenError;
use crate::policy::LoadError;
use crate::store::StoreError;
use crate::tls::TlsError;

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A policy cannot be used.
    #[error(transparent)]
    Policy(#[from] LoadError),
    /// A port cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address for HTTP cannot be had.
    #[error(transparent)]
    Http(#[from] http::ListenError),
    /// The panel cannot be prepared.
    #[error("cannot prepare the control panel")]
    Panel(#[from] ServiceError),
    /// Delivery cannot work as configured.
    #[error(transparent)]
    Delivery(#[from] SetupError),
    /// A key for signatures cannot be used.
    #[error(transparent)]
    Dkim(#[from] DkimError),
}

impl StartError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Policy(error) => error.hint(),
            Self::Listen(error) => Some(error.hint()),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Tls(error) => Some(error.hint().to_owned()),
            Self::Http(error) => Some(error.hint()),
            Self::Panel(_) => None,
            Self::Delivery(error) => Some(error.hint().to_owned()),
            Self::Dkim(error) => Some(error.hint().to_owned()),
        }
    }
}
