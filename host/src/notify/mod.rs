//! Brings alerts to people by mail, and alerts and events to programs by webhook.
//!
//! What was told is noted in the store in the commit that queues the mail or the event, so that after a crash
//! nothing is forgotten, and nothing is told twice but what a receiver took without saying so. Mails about alerts
//! never raise alerts, and nothing answers them. Neighbours: `store` keeps settings, alerts and events; `scheduler`
//! sends the mails; `fetch` carries the posts.

mod config;
mod letter;
mod plan;
mod post;
mod pump;
mod setting;
mod teller;
mod watch;

use std::sync::Arc;

use tokio::task::JoinSet;

pub use self::config::Config;
use self::post::Poster;
pub use self::setting::{HookChange, HookError, change_webhook, raise_test};
use crate::id::QueueIds;
use crate::scheduler::Scheduler;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::tls::{self, Certificates, Roots, TlsError, Verification};

/// What notifying works with.
pub struct Setup {
    /// The `[notify]` section.
    pub config: Config,
    /// This relay's domain name.
    pub hostname: String,
    /// Where people find the panel, without a slash at the end; none: mails have no links.
    pub public_url: Option<String>,
    /// Where alerts and events are.
    pub store: Store,
    /// What sends the mails, and knows where nothing arrives.
    pub scheduler: Scheduler,
    /// Hands out the identifiers of the mails; the same that intake uses.
    pub ids: Arc<QueueIds>,
    /// The certificates that clients are shown, if any.
    pub certificates: Option<Certificates>,
}

/// What its tasks share.
struct Shared {
    setup: Setup,
    poster: Poster,
}

/// Starts telling, until the shutdown is announced.
///
/// # Errors
/// When the file of the authorities cannot be read.
pub fn start(setup: Setup, tasks: &mut JoinSet<()>, shutdown: &Shutdown) -> Result<(), TlsError> {
    let poster = Poster::new(&setup.config, client(&setup.config)?);
    let shared = Arc::new(Shared { setup, poster });
    tasks.spawn(teller::run(Arc::clone(&shared), shutdown.clone()));
    tasks.spawn(pump::run(Arc::clone(&shared), shutdown.clone()));
    tasks.spawn(watch::run(shared, shutdown.clone()));
    Ok(())
}

/// Who is trusted. A machine without authorities can still post to what is allowed without TLS.
fn client(config: &Config) -> Result<Option<Arc<rustls::ClientConfig>>, TlsError> {
    let Some(file) = &config.ca_file else {
        return Ok(tls::client_config(&Roots::System, Verification::Required).ok());
    };
    tls::client_config(&Roots::File(file.clone()), Verification::Required).map(Some)
}
