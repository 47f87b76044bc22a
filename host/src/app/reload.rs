//! Takes up a changed configuration, changed certificates and changed policies while sessions run.
//!
//! Everything is read and checked aside; what cannot be used changes nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tracing::{debug, error, info, warn};

use super::certificates::Named;
use super::ports;
use super::watch::Watch;
use crate::accounts::Verifier;
use crate::admin;
use crate::alert::{Kind, NewAlert, Severity};
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::config::{Config, ConfigError, Problem};
use crate::dkim::{self, DkimError};
use crate::intake::Intake;
use crate::listener::TlsMode;
use crate::metrics;
use crate::policy::{self, Change, Policies};
use crate::shutdown::Shutdown;
use crate::store::{ReloadCause, ReloadFailure, ReloadOutcome, Store};
use crate::submission::{Entrance, Submission};
use crate::tls::{Certificates, Facts, TlsError};

/// Between two looks for a command that asks for a reload. 1 s: a person waits for it.
const LOOK_FOR_REQUESTS: Duration = Duration::from_secs(1);

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("what can be changed without a restart does not fit to the rest: {0}")]
    Partly(Problem),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Policy(#[from] policy::LoadError),
    #[error(transparent)]
    Dkim(#[from] DkimError),
    #[error("the reload was interrupted")]
    Interrupted,
}

impl ReloadError {
    fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint(),
            Self::Partly(_) => "restart the relay to change both".to_owned(),
            Self::Tls(error) => error.hint().to_owned(),
            Self::Dkim(error) => error.hint().to_owned(),
            Self::Policy(error) => error.hint().unwrap_or_default(),
            Self::Interrupted => "send SIGHUP to try again".to_owned(),
        }
    }
}

/// What a running relay shows and hands out, to be replaced.
pub(super) struct Reloader {
    /// The configuration that is in effect.
    pub(super) running: Config,
    /// What clients are shown; none when no listener encrypts.
    pub(super) certificates: Option<Certificates>,
    /// What the named certificates say of themselves.
    pub(super) facts: Vec<Facts>,
    /// One for each listener.
    pub(super) entrances: Vec<Entrance>,
    /// Serves the sessions.
    pub(super) submission: Submission,
    /// Holds users to their limits.
    pub(super) intake: Intake,
    /// What decides about messages.
    pub(super) policies: Policies,
    /// What people do with a browser; none when no panel is served.
    pub(super) admin: Option<admin::Service>,
    /// Signs what leaves.
    pub(super) signer: dkim::Signer,
    /// The files, as they were before anything was read.
    pub(super) watch: Watch,
    /// Where requests come from, and outcomes and alerts go.
    pub(super) store: Store,
}

/// Reloads on request and when a file has changed, until the shutdown is announced.
pub(super) async fn run(reloader: Reloader, signalled: Arc<Notify>, shutdown: Shutdown) {
    tokio::select! {
        () = shutdown.announced() => {}
        // Whatever it is at is dropped: it changes everything at its end, or nothing.
        () = reload_for_ever(reloader, signalled) => {}
    }
}

async fn reload_for_ever(mut reloader: Reloader, signalled: Arc<Notify>) {
    let mut files = reloader.running.files();
    // Of an answered request this process has read the outcome as it started.
    let mut followed = reloader.store.answered_reload().await.unwrap_or(0);
    loop {
        let cause = tokio::select! {
            () = signalled.notified() => ReloadCause::Signal,
            request = requested(&reloader.store, followed) => {
                followed = request;
                ReloadCause::Command(request)
            }
            () = pause(&reloader.running) => ReloadCause::File,
        };
        // Looked at before it is read, so that no later change is taken for this one.
        let has_changed = reloader.watch.look();
        if cause != ReloadCause::File || has_changed {
            reloader.reload(cause, &mut files).await;
            reloader.watch.taken(&files);
        }
    }
}

/// Until a command asks after the request that was followed last; its number. Each node of a shared store follows it, and
/// the first that is done answers.
async fn requested(store: &Store, followed: i64) -> i64 {
    loop {
        tokio::time::sleep(LOOK_FOR_REQUESTS).await;
        match store.requested_reload_after(followed).await {
            Ok(Some(request)) => return request,
            Ok(None) => {}
            Err(error) => debug!(%error, "whether a reload is asked for cannot be read"),
        }
    }
}

/// Until the next look; for ever when there is none.
async fn pause(config: &Config) {
    match config.reload.poll() {
        Some(interval) => tokio::time::sleep(interval).await,
        None => std::future::pending().await,
    }
}

impl Reloader {
    /// Reloads, or tells why not. `files` becomes what the configuration names, also when that
    /// cannot be used, for it may be mended there.
    async fn reload(&mut self, cause: ReloadCause, files: &mut Vec<PathBuf>) {
        let begun_at = Timestamp::now();
        let mut outcome = ReloadOutcome {
            begun_at,
            ended_at: begun_at,
            generation: 0,
            failure: None,
            changes: Vec::new(),
            restart: Vec::new(),
        };
        match self.try_reload(files).await {
            Ok(changes) => {
                changes.tell();
                outcome.changes = changes.lines();
                outcome.restart = changes.restart.iter().map(ToString::to_string).collect();
            }
            Err(error) => outcome.failure = Some(self.failed(&error).await),
        }
        outcome.generation = self.policies.current().generation();
        outcome.ended_at = Timestamp::now();
        metrics::reloaded(outcome.failure.is_none());
        if let Err(error) = self.store.end_reload(cause, outcome).await {
            warn!(%error, "what came of the reload cannot be kept");
        }
    }

    async fn try_reload(&mut self, files: &mut Vec<PathBuf>) -> Result<Changes, ReloadError> {
        let new = read(self.running.clone()).await?;
        *files = new.files();
        let next = self.adopt(&new);
        next.check().map_err(ReloadError::Partly)?;
        let named = self.named(&next).await?;
        let keys = self.keys(&next).await?;
        let doors = ports::doors(&next, self.certificates.as_ref())?;
        let policies = self.policies.current();
        let policies = policies.successor(&next.policy, &next.folder).await?;
        let mut changes = Changes {
            live: differences(&self.running, &next),
            policies: Vec::new(),
            restart: differences(&next, &new),
        };
        if let Some((policies, differences)) = policies {
            self.policies.replace(policies);
            changes.policies(differences);
        }
        if let Some(named) = named
            && self.show(named)
        {
            changes.live.push("certificates");
        }
        if next.accounts != self.running.accounts {
            self.submission
                .verify_by(Verifier::new(next.accounts.clone()));
        }
        self.submission.limit(next.submission.clone());
        self.intake.limit(next.limits.clone());
        if let Some(admin) = &self.admin {
            admin.limit(next.limits.clone());
        }
        self.signer.replace(keys);
        self.running = next;
        for (entrance, door) in self.entrances.iter().zip(doors) {
            entrance.replace(door);
        }
        Ok(changes)
    }

    /// The running configuration with what can be changed of it taken from `new`.
    fn adopt(&self, new: &Config) -> Config {
        let mut next = self.running.clone();
        next.smtp = new.smtp.clone();
        next.submission = new.submission.clone();
        next.accounts = new.accounts.clone();
        next.reload = new.reload.clone();
        next.limits = new.limits.clone();
        next.dkim = new.dkim.clone();
        next.policy = policy::Config {
            decisions: self.running.policy.decisions,
            cache_folder: self.running.policy.cache_folder.clone(),
            cache_max_mib: self.running.policy.cache_max_mib,
            shadow_queue: self.running.policy.shadow_queue,
            ..new.policy.clone()
        };
        next.tls.additional = new.tls.additional.clone();
        if let Some(pair) = new.tls.default_pair() {
            next.tls.certificate = Some(pair.certificate);
            next.tls.key = Some(pair.key);
        }
        for (known, wanted) in next.listener.iter_mut().zip(&new.listener) {
            let is_same = known.address == wanted.address && known.ports == wanted.ports;
            let can_encrypt = wanted.tls == TlsMode::None || self.certificates.is_some();
            if is_same && can_encrypt {
                known.tls = wanted.tls;
                known.require_tls_for_auth = wanted.require_tls_for_auth;
                known.require_tls = wanted.require_tls;
                known.min_tls_version = wanted.min_tls_version;
                known.proxy_protocol = wanted.proxy_protocol.clone();
            }
        }
        next
    }

    /// The certificates, each with its key and valid; none when no listener encrypts.
    async fn named(&self, next: &Config) -> Result<Option<Named>, ReloadError> {
        if self.certificates.is_none() {
            return Ok(None);
        }
        let tls = next.tls.clone();
        let named = spawn_blocking(move || Named::read(&tls)).await;
        let named = named.map_err(|_| ReloadError::Interrupted)??;
        match named.expired(Timestamp::now()).pop() {
            Some(error) => Err(error.into()),
            None => Ok(Some(named)),
        }
    }

    /// What signs from the next message on.
    async fn keys(&self, next: &Config) -> Result<dkim::Keys, ReloadError> {
        let config = next.dkim.clone();
        let keys = spawn_blocking(move || dkim::Keys::read(&config)).await;
        Ok(keys.map_err(|_| ReloadError::Interrupted)??)
    }

    /// Shows them from the next handshake on: true when they are others. Without a default one the
    /// present one stays, whoever made it.
    fn show(&mut self, named: Named) -> bool {
        let facts = named.facts();
        if let Some(certificates) = &self.certificates {
            certificates.replace_all(named.default.map(|one| one.key), named.additional);
        }
        std::mem::replace(&mut self.facts, facts.clone()) != facts
    }

    async fn failed(&self, error: &ReloadError) -> ReloadFailure {
        let (reason, hint) = (with_causes(error), error.hint());
        error!(
            hint,
            "the reload failed, everything stays as it was: {reason}"
        );
        let summary = format!("the reload failed, everything stays as it was: {reason}");
        let now = Timestamp::now();
        let alert = NewAlert::new(Kind::ReloadFailed, Severity::Warning, summary, now);
        if let Err(error) = self.store.raise(vec![alert]).await {
            warn!(%error, "an alert cannot be kept");
        }
        ReloadFailure {
            error: reason,
            hint,
        }
    }
}

/// The configuration as its file says now; built-in defaults stay what they are.
async fn read(running: Config) -> Result<Config, ReloadError> {
    let Some(file) = running.file.clone() else {
        return Ok(running);
    };
    let read = spawn_blocking(move || Config::load(Some(&file))).await;
    Ok(read.map_err(|_| ReloadError::Interrupted)??)
}

/// What a reload brought, by section.
#[derive(Debug)]
struct Changes {
    live: Vec<&'static str>,
    policies: Vec<Change>,
    restart: Vec<&'static str>,
}

impl Changes {
    /// A module may be another one while the section that names it is the same.
    fn policies(&mut self, changes: Vec<Change>) {
        if !self.live.contains(&POLICY) {
            self.live.push(POLICY);
        }
        self.policies = changes;
    }

    fn tell(&self) {
        match self.live.as_slice() {
            [] => info!("reloaded: nothing changed for new sessions"),
            live => info!("reloaded for new sessions: {}", live.join(", ")),
        }
        for change in &self.policies {
            match change {
                Change::Module(old, new) => info!(
                    policy = new.policy,
                    sha256.old = old.sha256,
                    sha256.new = new.sha256,
                    "{change}"
                ),
                _ => info!("{change}"),
            }
        }
        if !self.restart.is_empty() {
            warn!("changed, but needs a restart: {}", self.restart.join(", "));
        }
    }

    /// What changed for new sessions, for people.
    fn lines(&self) -> Vec<String> {
        let sections = self.live.iter().filter(|section| **section != POLICY);
        let sections = sections.map(ToString::to_string);
        let policies = self.policies.iter().map(ToString::to_string);
        sections.chain(policies).collect()
    }
}

/// The section whose changes are told one by one.
const POLICY: &str = "policy";

/// The sections that differ. Named one by one, so that a new one cannot be forgotten.
fn differences(one: &Config, other: &Config) -> Vec<&'static str> {
    let Config {
        hostname,
        store,
        listener,
        tls,
        smtp,
        submission,
        accounts,
        intake,
        limits,
        scheduler,
        node,
        delivery,
        dkim,
        policy,
        notify,
        telemetry,
        reload,
        web,
        monitor,
        panel,
        autoconfig,
        file: _,
        folder: _,
    } = one;
    let sections = [
        ("hostname", *hostname != other.hostname),
        ("store", *store != other.store),
        ("listener", *listener != other.listener),
        ("tls", *tls != other.tls),
        ("smtp", *smtp != other.smtp),
        ("submission", *submission != other.submission),
        ("accounts", *accounts != other.accounts),
        ("intake", *intake != other.intake),
        ("limits", *limits != other.limits),
        ("scheduler", *scheduler != other.scheduler),
        ("node", *node != other.node),
        ("delivery", *delivery != other.delivery),
        ("dkim", *dkim != other.dkim),
        (POLICY, *policy != other.policy),
        ("notify", *notify != other.notify),
        ("telemetry", *telemetry != other.telemetry),
        ("reload", *reload != other.reload),
        ("web", *web != other.web),
        ("monitor", *monitor != other.monitor),
        ("panel", *panel != other.panel),
        ("autoconfig", *autoconfig != other.autoconfig),
    ];
    let differing = sections.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(section, _)| section).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sections_that_differ_are_named() {
        let parse = |text| Config::parse(text, PathBuf::new()).expect("valid");
        let one = parse("");
        assert!(differences(&one, &parse("")).is_empty());
        let other = parse("[smtp]\nmax-recipients = 7\n[scheduler]\nexpire-after-h = 1");
        assert_eq!(differences(&one, &other), ["smtp", "scheduler"]);
    }

    #[test]
    fn a_changed_password_of_the_smarthost_is_a_difference() {
        let parse = |password| {
            let text = format!(
                "[delivery]\nmode = \"smarthost\"\nsmarthost = {{ host = \"h\", username = \"u\", password = \"{password}\" }}"
            );
            Config::parse(&text, PathBuf::new()).expect("valid")
        };
        assert_eq!(differences(&parse("one"), &parse("two")), ["delivery"]);
    }
}
