//! What can be done in the panel and over its API: one file for each kind of thing.
//!
//! Every operation takes the [`Actor`] first and looks whether the thing is theirs: what is not, is not
//! found. Knows no HTTP, no page and no command line; all three are thin over it.

mod alerts;
mod compose;
mod error;
mod lists;
mod messages;
mod nodes;
mod once;
mod operators;
mod person;
mod policies;
mod queue_changes;
mod queue_view;
mod sign_in;
mod statistics;
mod story;
mod submit;
mod suppressions;
mod tokens;
mod trial;
mod users;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

pub use self::alerts::{ALERTS_ON_A_PAGE, AlertPage};
pub use self::compose::{Attachment, Draft};
pub use self::error::{Invalid, Problem, ServiceError};
pub use self::lists::{ListPage, ListRow, ListSettings};
pub use self::messages::{ATTEMPTS_ON_A_PAGE, MessageSearch, STATUSES, Story};
pub use self::nodes::NodeReport;
pub use self::once::Earlier;
pub use self::person::Person;
pub use self::policies::{ChainEntry, PolicyReport};
use self::queue_changes::Changes;
pub use self::queue_changes::{Changed, Running};
pub use self::queue_view::{
    MESSAGES_ON_A_PAGE, Progress, QueueCounts, QueueQuery, Selected, StopRow, parse_moment,
};
pub use self::sign_in::{SignInError, Signed};
pub use self::statistics::{NAMES_IN_A_FILE, NAMES_ON_A_PAGE, Queued, Statistics, Today};
pub use self::story::{Event, events};
pub use self::submit::{Outgoing, Submitted, TestMessage};
pub use self::tokens::TokenWish;
pub use self::trial::{Question, TriedStep, Verdict};
pub use self::users::{
    EntryAdvice, SentCounts, UserPage, UserSettings, advise_domains, advise_senders,
};
pub use self::webhooks::HookView;
use crate::accounts::{self, List, Verifier};
use crate::admin::Config;
use crate::autoconfig::{Encryption, Relay};
use crate::guard::Guard;
use crate::intake::{Intake, LimitsConfig};
use crate::operators::Actor;
use crate::policy::Policies;
use crate::scheduler::Scheduler;
pub use crate::store::RequestKey;
use crate::store::Store;

/// What the operations work on. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    rooms: Arc<Rooms>,
    guard: Arc<Guard>,
    verifier: Arc<Verifier>,
    limits: Arc<RwLock<LimitsConfig>>,
    changes: Arc<Changes>,
}

/// The rooms below, and what of the configuration people see.
pub struct Rooms {
    /// Sessions and sign-ins.
    pub config: Config,
    /// What passwords may cost.
    pub accounts: accounts::Config,
    /// Keeps everything.
    pub store: Store,
    /// Takes mail in.
    pub intake: Intake,
    /// Decide about mail.
    pub policies: Policies,
    /// Delivers it.
    pub scheduler: Scheduler,
    /// The relay as clients must know it.
    pub relay: Relay,
    /// Where clients connect.
    pub doors: Vec<Door>,
    /// The names of the routes of `[[delivery.route]]`.
    pub routes: Vec<String>,
    /// What a message may be, over the panel as over SMTP.
    pub message: MessageLimits,
}

/// What a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Octets in all.
    pub octets: u64,
    /// Recipients.
    pub recipients: usize,
    /// How far ahead it may be sent; zero: not at all.
    pub hold: Duration,
}

/// Ports of one kind that clients may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// As a person writes them: `25, 587, 1025-5000`.
    pub ports: String,
    /// What these offer.
    pub encryption: Encryption,
    /// True when nobody may send without it.
    pub must_encrypt: bool,
}

impl Service {
    /// Over these rooms; `limits` hold until others are told.
    pub fn new(rooms: Rooms, limits: LimitsConfig) -> Self {
        let accounts = accounts::Config {
            // An operator's password is asked for once a day; nothing is gained by remembering it.
            cache_entries: 0,
            ..rooms.accounts.clone()
        };
        Self {
            rooms: Arc::new(rooms),
            guard: Arc::new(Guard::new()),
            verifier: Arc::new(Verifier::new(accounts)),
            limits: Arc::new(RwLock::new(limits)),
            changes: Arc::default(),
        }
    }

    /// The relay as clients must know it.
    pub fn relay(&self) -> &Relay {
        &self.rooms.relay
    }

    /// Where clients connect.
    pub fn doors(&self) -> &[Door] {
        &self.rooms.doors
    }

    /// The routes of the configuration that a list's mail may take.
    pub fn routes(&self) -> &[String] {
        &self.rooms.routes
    }

    /// How much users may send where nothing is said of their own.
    pub fn limits(&self) -> LimitsConfig {
        self.limits.read().clone()
    }

    /// Other limits from now on.
    pub fn limit(&self, limits: LimitsConfig) {
        *self.limits.write() = limits;
    }

    fn store(&self) -> &Store {
        &self.rooms.store
    }

    fn config(&self) -> &Config {
        &self.rooms.config
    }

    /// The list of that number, when it is theirs.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], also for what belongs to others.
    pub async fn list(&self, actor: &Actor, id: i64) -> Result<List, ServiceError> {
        let not_found = || ServiceError::not_found("list");
        if !actor.reaches(id) {
            return Err(not_found());
        }
        self.store().list(id).await?.ok_or_else(not_found)
    }
}

/// Everything that only operators may do asks this first.
fn only_operators(actor: &Actor) -> Result<(), ServiceError> {
    if actor.is_operator() {
        Ok(())
    } else {
        Err(ServiceError::Forbidden)
    }
}
