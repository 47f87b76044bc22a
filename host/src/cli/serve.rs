//! `gatepost serve`: runs until it is told to end.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, output};
use crate::app::{App, PanelPlace};
use crate::config::Config;

/// Runs the relay until SIGTERM or SIGINT; a second one does not wait for sessions and deliveries. SIGHUP
/// reloads.
pub async fn run(config: &Config) -> Result<ExitCode, Failure> {
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hangup = on(SignalKind::hangup())?;
    let app = App::start(config).await?;
    if let Some(panel) = &app.panel {
        output::say(&panel_lines(panel))?;
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => app.reload(),
        }
    }
    tokio::select! {
        () = app.stop() => return Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // What was answered 250 is in the store, and every delivery in flight is tried again.
    tracing::warn!("told to end a second time: sessions and deliveries are cut");
    Ok(ExitCode::FAILURE)
}

/// For people, and not for the log: a link that lets somebody in is a secret until it is used.
pub(super) fn panel_lines(panel: &PanelPlace) -> String {
    match &panel.first_link {
        Some(link) => format!(
            "The control panel is on {}\nNobody can sign in yet. This link lets one person choose a password, once:\n  {link}",
            panel.url
        ),
        None => format!("The control panel is on {}", panel.url),
    }
}

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(Failure::new)
}
