//! `gatepost serve`: runs until it is told to end.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::app::App;
use crate::config::Config;

/// Runs the relay until SIGTERM or SIGINT.
pub async fn run(config: &Config) -> Result<ExitCode, Failure> {
    let app = App::start(config).await?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    app.stop().await;
    Ok(ExitCode::SUCCESS)
}
