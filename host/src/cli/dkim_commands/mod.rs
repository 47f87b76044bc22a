//! `gatepost dkim …`: makes the keys that sign what leaves, and compares them with what DNS publishes.

mod check;
mod new;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{Failure, Output};
use crate::config::Config;
use crate::dkim::{Algorithm, DkimError};

/// `gatepost dkim …`
#[derive(Debug, Subcommand)]
pub enum DkimCommand {
    /// Make a key, and print the DNS record and the lines of the configuration for it
    New {
        /// The domain it signs for
        domain: String,
        /// Its name in DNS [default: year and month, like s202611]
        #[arg(long)]
        selector: Option<String>,
        /// Every receiver knows RSA; an Ed25519 key is for beside it
        #[arg(long, value_enum, default_value = "rsa")]
        algorithm: Kind,
        /// The file of the private key [default: DOMAIN.SELECTOR.pem beside the configuration]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Compare the keys of the configuration with what DNS publishes
    Check {
        /// Only the keys of this domain
        domain: Option<String>,
        /// The DNS server to ask, like 192.0.2.53:53 [default: the system's]
        #[arg(long, value_name = "ADDRESS")]
        server: Option<SocketAddr>,
    },
}

/// An algorithm as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    Rsa,
    Ed25519,
}

impl From<Kind> for Algorithm {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Rsa => Self::Rsa,
            Kind::Ed25519 => Self::Ed25519,
        }
    }
}

impl From<DkimError> for Failure {
    fn from(error: DkimError) -> Self {
        let hint = error.hint();
        Self::new(error).hint(hint)
    }
}

/// Runs the command.
pub async fn run(
    command: DkimCommand,
    config: &Config,
    output: Output,
) -> Result<ExitCode, Failure> {
    match command {
        DkimCommand::New {
            domain,
            selector,
            algorithm,
            out,
        } => new::run(&domain, selector, algorithm.into(), out, config, output),
        DkimCommand::Check { domain, server } => {
            check::run(domain.as_deref(), server, config, output).await
        }
    }
}
