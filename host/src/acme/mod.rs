//! Gets the certificate from an ACME authority (RFC 8555) and renews it at two thirds of its life.
//!
//! Never in a hurry: attempts are counted on the disk, so that a relay that is started again and again
//! does not use up what the authority allows. Neighbours: `web` answers the authority's challenges,
//! `tls` shows the certificate, `store` keeps the alert when things go wrong for too long.

mod authority;
mod challenges;
mod error;
mod files;
mod plan;

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use self::authority::Authority;
pub use self::challenges::Challenges;
pub use self::error::AcmeError;
use self::files::Folder;
use self::plan::Attempts;
use crate::alert::{Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::tls::{Acme as Config, Certificates, Facts, Loaded};

/// The clock may be set while we wait: nothing sleeps for longer at a time. Default an hour.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// A failure is an alert when the certificate is valid for fewer days than this. Default 10.
const ALERT_DAYS: u64 = 10;

/// Keeps one certificate fresh.
pub struct Renewal {
    config: Config,
    names: Vec<String>,
    folder: Folder,
    challenges: Challenges,
    certificates: Certificates,
    store: Store,
}

/// The certificate that was kept from an earlier run, expired or not; none if there is none that can
/// be used, for then a new one is ordered.
pub fn kept(config: &Config, data_folder: &Path) -> Option<Loaded> {
    usable(&Folder::of(data_folder, &config.directory_url))
}

fn usable(folder: &Folder) -> Option<Loaded> {
    folder.certificate().unwrap_or_else(|error| {
        warn!(error = %error.with_causes(), "the kept certificate cannot be used; a new one is ordered");
        None
    })
}

impl Renewal {
    /// Shows new certificates by `certificates`; keeps its files in a folder below `data_folder`.
    pub fn new(
        config: &Config,
        hostname: &str,
        data_folder: &Path,
        challenges: Challenges,
        certificates: Certificates,
        store: Store,
    ) -> Self {
        Self {
            config: config.clone(),
            names: config.names(hostname),
            folder: Folder::of(data_folder, &config.directory_url),
            challenges,
            certificates,
            store,
        }
    }

    /// Runs until the shutdown is announced.
    pub async fn run(self, shutdown: Shutdown) {
        let mut attempts = self.folder.attempts(&self.names);
        loop {
            let now = Timestamp::now();
            let due = plan::due(&self.config, &self.names, self.kept().as_ref(), &attempts);
            let wait = due.since(now).min(LONGEST_SLEEP);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.announced() => return,
            }
            if due <= Timestamp::now() {
                tokio::select! {
                    tried = self.attempt(attempts.clone()) => attempts = tried,
                    () = shutdown.announced() => return,
                }
            }
        }
    }

    /// What the authority's certificate says of itself; none before there is one.
    fn kept(&self) -> Option<Facts> {
        usable(&self.folder).map(|kept| kept.facts)
    }

    /// Counts before it asks, so that an attempt that ends with the process is counted too.
    async fn attempt(&self, attempts: Attempts) -> Attempts {
        let attempts = attempts.one_more(Timestamp::now(), plan::jitter_permille());
        let result = match self.folder.keep_attempts(&attempts) {
            Ok(()) => self.order().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(loaded) => self.succeeded(loaded, attempts),
            Err(error) => {
                self.failed(&error, &attempts).await;
                attempts
            }
        }
    }

    async fn order(&self) -> Result<Loaded, AcmeError> {
        info!(names = self.names.join(" "), "ordering a certificate");
        let authority = Authority {
            config: &self.config,
            folder: &self.folder,
            challenges: &self.challenges,
        };
        let limit = Duration::from_secs(self.config.attempt_timeout_s);
        let obtained = timeout(limit, authority.obtain(&self.names)).await;
        // Whatever happened to the order, its challenges are over.
        self.challenges.clear();
        let pem = obtained.map_err(|_| AcmeError::TimedOut {
            limit_s: limit.as_secs(),
        })??;
        self.folder.keep_certificate(&pem)
    }

    fn succeeded(&self, loaded: Loaded, attempts: Attempts) -> Attempts {
        info!(
            names = loaded.facts.names.join(" "),
            serial = loaded.facts.serial,
            not_after = %loaded.facts.not_after,
            "clients are shown a new certificate"
        );
        self.certificates.replace(loaded.key);
        let attempts = attempts.succeeded();
        if let Err(error) = self.folder.keep_attempts(&attempts) {
            warn!(error = %error.with_causes(), "the success cannot be noted");
        }
        attempts
    }

    async fn failed(&self, error: &AcmeError, attempts: &Attempts) {
        let reason = error.with_causes();
        warn!(
            error = reason,
            hint = error.hint(),
            failures = attempts.failures,
            next_attempt = %plan::next_attempt(&self.config, attempts),
            "no certificate from the authority"
        );
        let now = Timestamp::now();
        let days = self.kept().map_or(0, |facts| facts.days_left(now));
        if days >= ALERT_DAYS {
            return;
        }
        let alert = alert(&self.names, days, &reason, now);
        if let Err(error) = self.store.raise(vec![alert]).await {
            warn!(%error, "the alert cannot be stored");
        }
    }
}

fn alert(names: &[String], days: u64, reason: &str, at: Timestamp) -> NewAlert {
    let names = names.join(" ");
    let (severity, state) = match days {
        0 => (Severity::Critical, "there is no valid certificate".into()),
        _ => (
            Severity::Warning,
            format!("the certificate is valid for {days} more days"),
        ),
    };
    let summary = format!("{state} for {names}, and none can be had: {reason}");
    NewAlert::new(Kind::CertificateExpiring, severity, summary, at).keyed(names)
}
