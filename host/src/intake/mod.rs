//! Takes a message in: one chain of small steps from complete content to a committed message.
//!
//! Parse, ask the policies, stamp, accept. Decides nothing about senders and priorities itself;
//! the policies do. Knows no socket: `submission` brings the octets and carries the replies.

mod arrival;
mod config;
mod content;
mod decision;
mod directory;
mod evaluate;
mod known_senders;
mod limits;
mod panel;
mod parameters;
mod passed;
mod question;
mod rejection;
mod request;
mod schedule;
mod spool;
mod trial;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use self::arrival::{Arrival, Relay};
pub use self::config::Config;
use self::content::Submitted;
pub use self::directory::{Asked, Directory, Principal};
use self::limits::Limits;
pub use self::limits::{Config as LimitsConfig, OnExceeded};
pub use self::panel::Panel;
use self::passed::Passed;
pub use self::question::Asking;
pub use self::rejection::Rejection;
use self::spool::{Memory, Received};
pub use self::spool::{Spool, SpoolError};
pub use self::trial::{Trial, TrialStage};
use crate::clock::Timestamp;
use crate::decision::{Findings, NewDecision};
use crate::id::{QueueId, QueueIds};
use crate::metrics;
use crate::policy::document::{self, Request};
use crate::policy::{AtHand, Policies, Ruling, ShadowQueue, types};
use crate::queue::{NewMessage, OpenMessage};
use crate::smtp::{Mailbox, Recipient, Reply, Transaction};
use crate::store::Store;

/// What a connection is known by: who talks, over what, through which door.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The session's identifier, on every log line of it.
    pub session_id: String,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The port it connected to.
    pub server_port: u16,
    /// The name it gave in EHLO or HELO.
    pub helo: String,
    /// True after EHLO.
    pub is_esmtp: bool,
    /// The negotiated TLS version and cipher suite; none on a plain connection.
    pub tls: Option<(String, String)>,
    /// The SASL mechanism it logged in with.
    pub mechanism: &'static str,
    /// Messages accepted earlier in this session.
    pub messages: u32,
    /// How far ahead it may have a message sent (RFC 4865); zero: not at all.
    pub max_hold: Duration,
}

/// Takes messages in. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    hostname: String,
    lifetime: Duration,
    store: Store,
    policies: Policies,
    shadows: ShadowQueue,
    ids: Arc<QueueIds>,
    memory: Memory,
    limits: Limits,
}

impl Shared {
    fn relay(&self) -> Relay<'_> {
        Relay {
            hostname: &self.hostname,
            lifetime: self.lifetime,
            show_client_address: self.config.show_client_address,
        }
    }
}

/// A message that was taken in, and what the client is told.
#[derive(Debug)]
pub struct Accepted {
    /// What the scheduler takes over.
    pub message: OpenMessage,
    /// `250 2.0.0 queued as <id>`.
    pub reply: Reply,
    /// True when a policy failed that `on-failure` lets pass: the next message makes it fail again.
    pub has_policy_failure: bool,
}

impl Intake {
    /// Takes messages in for the relay `hostname`; they are given up after `lifetime`.
    pub fn new(
        config: Config,
        hostname: String,
        lifetime: Duration,
        store: Store,
        (policies, shadows): (Policies, ShadowQueue),
        ids: Arc<QueueIds>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                memory: Memory::new(&config),
                limits: Limits::new(store.clone()),
                config,
                hostname,
                lifetime,
                store,
                policies,
                shadows,
                ids,
            }),
        }
    }

    /// How much users may send from now on; until it is told, without a limit.
    pub fn limit(&self, limits: LimitsConfig) {
        self.shared.limits.set(limits);
    }

    /// A place for the content of one message; dropping it is not enough, see [`Spool::discard`].
    pub fn spool(&self) -> Spool {
        Spool::new(
            self.shared.store.clone(),
            self.shared.memory.clone(),
            self.shared.ids.next(),
            &self.shared.config,
        )
    }

    /// The policies that decide a transaction which begins now, to its end: a reload in between is
    /// for the next one. `earlier` are those of the transaction before, if they are still there.
    pub fn policies(&self, earlier: Option<Panel>) -> Panel {
        let queue = self.shared.shadows.clone();
        Panel::new(self.shared.policies.current(), queue).following(earlier)
    }

    /// Asks the policies about the reverse-path, before the client sends anything larger.
    ///
    /// # Errors
    /// The reply to MAIL when the store cannot take mail, the user has sent as much as it may, or a
    /// policy refuses.
    pub async fn sender(
        &self,
        policies: &Panel,
        peer: &Peer,
        principal: &Principal,
        sender: Option<&Mailbox>,
    ) -> Result<(), Rejection> {
        if !self.shared.store.accepting() {
            return Err(Rejection::store_unavailable());
        }
        self.shared.limits.check(peer, principal).await?;
        let is_known = || principal.known_senders.has(policies.generation(), sender);
        if !policies.checks_senders() || (policies.remembers_senders() && is_known()) {
            return Ok(());
        }
        let stage = document::Stage::Sender(sender.map(request::address));
        let asked = self
            .asked(peer, principal, request::envelope(sender, &[]), stage)
            .await;
        let ruling = policies.answer(&asked).await;
        if policies.remembers_senders() && ruling.refusal.is_none() && ruling.alerts.is_empty() {
            principal.known_senders.add(policies.generation(), sender);
        }
        self.enforce_early(policies, peer, principal, &asked, ruling)
            .await
    }

    /// Asks the policies about one forward-path.
    ///
    /// # Errors
    /// The reply to RCPT when a policy refuses.
    pub async fn recipient(
        &self,
        policies: &Panel,
        peer: &Peer,
        principal: &Principal,
        transaction: (Option<&Mailbox>, &[Recipient]),
        recipient: &Mailbox,
    ) -> Result<(), Rejection> {
        if !policies.checks_recipients() {
            return Ok(());
        }
        let envelope = request::envelope(transaction.0, transaction.1);
        let stage = document::Stage::Recipient(request::address(recipient));
        let asked = self.asked(peer, principal, envelope, stage).await;
        let ruling = policies.answer(&asked).await;
        self.enforce_early(policies, peer, principal, &asked, ruling)
            .await
    }

    /// Takes the complete message: parse, policies, stamp, commit. The `250` follows the commit.
    ///
    /// # Errors
    /// The final reply when the message is malformed, refused, or cannot be stored.
    ///
    /// # Cancel safety
    /// A dropped future leaves either a committed message or none; staged chunks of a message that
    /// was not committed are discarded at the next start.
    pub async fn message(
        &self,
        policies: &Panel,
        peer: &Peer,
        principal: &Principal,
        transaction: Transaction,
        spool: Spool,
    ) -> Result<Accepted, Rejection> {
        let id = spool.id();
        let (outcome, may_be_staged) = match spool.finish().await {
            Ok(received) => {
                let is_staged = received.content.staged_chunks > 0;
                let decided =
                    self.decide_and_store(policies, peer, principal, transaction, &received, id);
                (decided.await, is_staged)
            }
            Err(error) => (Err(Rejection::store(&error)), true),
        };
        if outcome.is_err() && may_be_staged {
            Spool::discard_staged(&self.shared.store, id).await;
        }
        outcome
    }

    async fn decide_and_store(
        &self,
        policies: &Panel,
        peer: &Peer,
        principal: &Principal,
        transaction: Transaction,
        received: &Received,
        id: QueueId,
    ) -> Result<Accepted, Rejection> {
        let arrival = Arrival::read((peer, principal), &transaction, (received, id))?;
        let (ruling, decision) = self.evaluate(policies, &arrival, &transaction).await;
        let mut passed = self
            .enforce(peer, principal, ruling, Some(decision))
            .await?;
        let limits = &self.shared.limits;
        let place = limits.take_place(peer, principal, arrival.received_at, passed.priority);
        let mut place = place.await?;
        passed.keep_to(&mut place);
        let findings = std::mem::take(&mut passed.findings);
        let has_policy_failure = passed.has_policy_failure;
        let message = arrival.queued(&self.shared.relay(), transaction, passed);
        let accepted = self.accept(message, findings).await;
        if accepted.is_err() {
            place.give_back();
        }
        Ok(Accepted {
            message: accepted?,
            reply: Reply::new(250, (2, 0, 0), format!("queued as {id}")),
            has_policy_failure,
        })
    }

    async fn accept(
        &self,
        message: NewMessage,
        findings: Findings,
    ) -> Result<OpenMessage, Rejection> {
        let mut open = message.to_open();
        let message = Arc::new(message);
        let id = message.id;
        let accepted = self
            .shared
            .store
            .accept(Arc::clone(&message), findings)
            .await;
        open.place = accepted.map_err(|error| Rejection::store(&error))?;
        metrics::accepted(message.meta.priority.number(), message.content.size);
        info!(
            queue.id = %id,
            session.id = message.meta.session_id,
            user = message.meta.username,
            priority = message.meta.priority.number(),
            size = message.content.size,
            recipients = message.recipients.len(),
            rule = message.meta.rule,
            route = message.meta.way.route,
            hold = message.meta.way.hold,
            "message accepted"
        );
        Ok(open)
    }

    /// What policies may read of a message, as it was submitted.
    fn submitted(&self, received: &Received, id: QueueId) -> Arc<Submitted> {
        Arc::new(Submitted {
            store: self.shared.store.clone(),
            id,
            head: received.content.head.clone(),
            parts: received.staged_octets.clone(),
        })
    }
}

impl Intake {
    /// The session as a policy sees it now.
    async fn session(&self, peer: &Peer, principal: &Principal) -> Arc<types::Session> {
        let mut session = request::session(&self.shared.hostname, peer, principal);
        let facts = self.shared.limits.facts(principal).await;
        Arc::make_mut(&mut session).identity.facts.extend(facts);
        session
    }

    async fn evaluate(
        &self,
        policies: &Panel,
        arrival: &Arrival<'_>,
        transaction: &Transaction,
    ) -> (Ruling, NewDecision) {
        let Arrival {
            peer,
            principal,
            id,
            ..
        } = *arrival;
        let envelope =
            request::envelope(transaction.reverse_path.as_ref(), &transaction.recipients);
        let said = arrival.said(transaction);
        let outline = request::outline(&arrival.header, said);
        if let Some(ruling) = policies.recall(&envelope, &outline, &principal.known_verdicts) {
            let stage = stage(outline);
            let matter = (&envelope, &stage);
            let decision = decision::unrecorded(id, (peer, principal), policies, matter, &ruling);
            return (ruling, decision);
        }
        // In a box: most messages are like one that passed, and need no room for it.
        Box::pin(self.ask(policies, arrival, said, (envelope, outline))).await
    }

    /// Asks the policies about a message of which the outline is known.
    async fn ask(
        &self,
        policies: &Panel,
        arrival: &Arrival<'_>,
        said: request::Said<'_>,
        (envelope, outline): (types::Envelope, types::Message),
    ) -> (Ruling, NewDecision) {
        let Arrival {
            peer,
            principal,
            id,
            ..
        } = *arrival;
        let fields = if policies.needs_headers() {
            request::Fields::Handed
        } else {
            request::Fields::LeftOut
        };
        let message = request::complete(outline, &arrival.header, said, fields);
        let asked = self.asked(peer, principal, envelope, stage(message)).await;
        let at_hand = AtHand {
            content: Some(self.submitted(arrival.received, arrival.id)),
            memory: Some(&principal.known_verdicts),
        };
        let ruling = policies.answer_with(&asked, at_hand).await;
        let decision = decision::decision(id, (peer, principal), policies, &asked, &ruling);
        self.shadow(policies, (id, peer, principal), &asked, &ruling);
        (ruling, decision)
    }

    /// What the policies are asked, before each of them has its settings.
    async fn asked(
        &self,
        peer: &Peer,
        principal: &Principal,
        envelope: types::Envelope,
        stage: document::Stage,
    ) -> Request {
        Request {
            settings: Arc::from("{}"),
            session: self.session(peer, principal).await,
            envelope: envelope.into(),
            stage,
        }
    }

    /// Turns a ruling into a rejection, of which everything is kept, or into what goes on with the message.
    async fn enforce(
        &self,
        peer: &Peer,
        principal: &Principal,
        ruling: Ruling,
        decision: Option<NewDecision>,
    ) -> Result<Passed, Rejection> {
        let findings = Findings {
            alerts: evaluate::alerts(&ruling, principal, decision.as_ref(), Timestamp::now()),
            decision: decision.map(Box::new),
        };
        evaluate::count(&ruling);
        evaluate::log(&ruling, peer, principal);
        let has_policy_failure = ruling.has_failure();
        let Some(refusal) = ruling.refusal else {
            return Ok(Passed {
                priority: ruling.priority,
                rule: evaluate::rules(&ruling.steps),
                findings,
                effects: ruling.effects,
                has_policy_failure,
            });
        };
        self.keep(peer, findings).await;
        Err(Rejection::policy(refusal, has_policy_failure))
    }

    /// [`Intake::enforce`] where no message follows yet that could carry what is found. A decision that
    /// lets the transaction go on is not kept: the message's is to come.
    async fn enforce_early(
        &self,
        policies: &Panel,
        peer: &Peer,
        principal: &Principal,
        asked: &Request,
        ruling: Ruling,
    ) -> Result<(), Rejection> {
        let id = self.shared.ids.next();
        self.shadow(policies, (id, peer, principal), asked, &ruling);
        let refused = ruling
            .refusal
            .is_some()
            .then(|| decision::decision(id, (peer, principal), policies, asked, &ruling));
        let passed = self.enforce(peer, principal, ruling, refused).await?;
        self.keep(peer, passed.findings).await;
        Ok(())
    }

    /// Notes what the policies in mode `shadow` are to be asked once the client has its reply.
    fn shadow(
        &self,
        policies: &Panel,
        (id, peer, principal): (QueueId, &Peer, &Principal),
        asked: &Request,
        ruling: &Ruling,
    ) {
        let Some(shadow) = policies.shadow(asked, ruling) else {
            return;
        };
        let about = decision::about(id, peer, principal, decision::matter(asked));
        let store = self.shared.store.clone();
        policies.later(async move {
            let generation = shadow.generation();
            for shadowed in shadow.run().await {
                let decision = decision::shadowed(about.clone(), generation, shadowed);
                if !decision.decision.is_worth_keeping() {
                    continue;
                }
                evaluate::log_shadow(&decision);
                if let Err(error) = store.keep(decision.into()).await {
                    tracing::warn!(%error, "what a policy in mode shadow says could not be stored");
                }
            }
        });
    }

    /// Keeps what no message carries with it.
    async fn keep(&self, peer: &Peer, findings: Findings) {
        if let Err(error) = self.shared.store.keep(findings).await {
            tracing::error!(session.id = peer.session_id, %error, "what the policies found could not be stored");
        }
    }
}

/// The question about a whole message, to the first policy of a chain.
fn stage(message: types::Message) -> document::Stage {
    document::Stage::Message {
        message: message.into(),
        effective_priority: types::Priority::Normal,
    }
}
