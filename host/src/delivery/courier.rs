//! Carries jobs to one destination, over one connection as long as it lasts.

use std::sync::Arc;

use super::content::ContentReader;
use super::maildir;
use super::outgoing::Source;
use super::route::Delivery;
use super::search::{Need, NoConnection, Search, Tried};
use super::smtp::connection::{Connection, Fault};
use super::smtp::envelope::Transaction;
use super::smtp::reply::deferred;
use super::smtp::transaction::Transacted;
use crate::alert::{Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::queue::{Attempt, Destination, Job, OpenRecipient, Outcome, RemoteReply};
use crate::store::Store;

/// Recipients in one transaction: what every peer must accept (RFC 5321 §4.5.3.1.8).
const MAX_RECIPIENTS: usize = 100;

/// What one attempt came to.
#[derive(Debug)]
pub struct Report {
    /// One for each recipient of the job.
    pub attempts: Vec<Attempt>,
    /// To whom each of them was handed, in the same order; meaningful where it was delivered.
    pub handovers: Vec<Handover>,
    /// Whether the destination could be reached at all.
    pub reach: Reach,
    /// When the attempt began.
    pub began_at: Timestamp,
}

/// Who has a message now, and what is told to its sender by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// The recipient: it lies in the mailbox.
    Final,
    /// A next hop.
    Relayed {
        /// It tells the sender what becomes of it (RFC 3461 §5.2.1); else nobody does (§5.2.2).
        notifies: bool,
        /// It keeps the sender's deadline (RFC 2852).
        keeps_deadline: bool,
    },
}

/// Whether a destination could be reached at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It answered for itself, whatever it said about the message.
    Reached,
    /// No connection could be made, or none that may be used; others would fare no better.
    Unreachable(RemoteReply),
}

/// Makes attempts, one after the other, and keeps the connection between them.
pub struct Courier {
    delivery: Arc<Delivery>,
    store: Store,
    destination: Destination,
    connection: Option<Connection>,
}

/// One transaction, and what its peer promised.
struct Sent {
    transacted: Transacted,
    handover: Handover,
    /// How the connection was encrypted; empty when there was none.
    tls: String,
}

impl Sent {
    /// Nothing was said to anybody.
    const fn unsent(outcomes: Vec<Outcome>) -> Self {
        Self {
            transacted: Transacted {
                outcomes,
                stale: false,
            },
            handover: Handover::Relayed {
                notifies: false,
                keeps_deadline: false,
            },
            tls: String::new(),
        }
    }
}

impl Courier {
    /// For one destination, not connected yet.
    pub const fn new(delivery: Arc<Delivery>, store: Store, destination: Destination) -> Self {
        Self {
            delivery,
            store,
            destination,
            connection: None,
        }
    }

    /// Tries a job once. Every recipient of it has an attempt in the report.
    ///
    /// # Cancel safety
    /// A cancelled attempt may or may not have delivered; nothing is known of it.
    pub async fn attempt(&mut self, job: &Job) -> Report {
        let mut report = Report {
            attempts: Vec::with_capacity(job.message.recipients.len()),
            handovers: Vec::with_capacity(job.message.recipients.len()),
            reach: Reach::Reached,
            began_at: Timestamp::now(),
        };
        for recipients in job.message.recipients.chunks(MAX_RECIPIENTS) {
            if self.destination == Destination::Maildir {
                self.file(job, recipients, &mut report).await;
            } else {
                self.transact(job, recipients, &mut report).await;
            }
        }
        report
    }

    /// True while a connection is kept for the next job.
    pub const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Takes leave of the peer.
    pub async fn quit(self) {
        if let Some(connection) = self.connection {
            connection.quit().await;
        }
    }

    async fn file(&self, job: &Job, recipients: &[OpenRecipient], report: &mut Report) {
        for recipient in recipients {
            let content = ContentReader::new(&job.message, &self.store);
            let reverse_path = job.message.meta.reverse_path.as_ref();
            let root = &self.delivery.config.maildir;
            let filed = maildir::file(root, reverse_path, &recipient.mailbox, content).await;
            report.attempts.push(Attempt {
                recipient: recipient.index,
                began_at: Some(report.began_at),
                at: Timestamp::now(),
                next_hop: filed.path,
                tls: String::new(),
                outcome: filed.outcome,
            });
            report.handovers.push(Handover::Final);
        }
    }

    async fn transact(&mut self, job: &Job, recipients: &[OpenRecipient], report: &mut Report) {
        if let Reach::Unreachable(reply) = &report.reach {
            let outcome = Outcome::Deferred(reply.clone());
            let outcomes = vec![outcome; recipients.len()];
            return report.add(recipients, &self.next_hop(), Sent::unsent(outcomes));
        }
        let need = Need::of(&job.message.meta);
        self.leave_unless_met(need).await;
        if self.connection.is_some() {
            let next_hop = self.next_hop();
            let sent = self.send(job, recipients).await;
            if !sent.transacted.stale {
                return report.add(recipients, &next_hop, sent);
            }
            // It was closed while it was idle. Nothing was sent, so a new one is no second attempt.
            self.connection = None;
        }
        match self.connect(need).await {
            Ok(connection) => self.connection = Some(connection),
            Err(none) => return report.no_connection(recipients, &self.next_hop(), none),
        }
        let next_hop = self.next_hop();
        let sent = self.send(job, recipients).await;
        report.add(recipients, &next_hop, sent);
    }

    /// A message that needs more than the connection at hand gets one of its own kind.
    async fn leave_unless_met(&mut self, need: Need) {
        let is_weak = |connection: &mut Connection| !need.is_met_by(connection);
        if let Some(connection) = self.connection.take_if(is_weak) {
            connection.quit().await;
        }
    }

    /// Sends over the connection at hand. A peer that takes fewer recipients at a time gets the others in
    /// transactions of their own, at once (RFC 5321 §4.5.3.1.10).
    async fn send(&mut self, job: &Job, recipients: &[OpenRecipient]) -> Sent {
        let mut sent = self.send_once(job, recipients).await;
        let mut is_served = sent.transacted.is_any_delivered();
        while is_served && self.connection.is_some() {
            let surplus = sent.transacted.surplus();
            if surplus.is_empty() {
                break;
            }
            let others = surplus.iter().map(|&place| recipients[place].clone());
            let others: Vec<OpenRecipient> = others.collect();
            let more = self.send_once(job, &others).await.transacted;
            is_served = more.is_any_delivered();
            for (place, outcome) in surplus.into_iter().zip(more.outcomes) {
                sent.transacted.outcomes[place] = outcome;
            }
        }
        sent
    }

    /// One transaction over the connection at hand, which is given up when it cannot serve again.
    async fn send_once(&mut self, job: &Job, recipients: &[OpenRecipient]) -> Sent {
        let Some(connection) = self.connection.as_mut() else {
            let mut sent = Sent::unsent(vec![deferred("not connected"); recipients.len()]);
            sent.transacted.stale = true;
            return sent;
        };
        let transaction = Transaction {
            meta: &job.message.meta,
            recipients,
            size: job.message.size,
            priority: job.priority,
            channel: None,
        };
        let source = Source {
            message: &job.message,
            store: &self.store,
            outbox: &self.delivery.outbox,
        };
        let sent = Sent {
            transacted: connection.transact(&transaction, source).await,
            handover: Handover::Relayed {
                notifies: connection.notifies(),
                keeps_deadline: connection.keeps_deadlines(),
            },
            tls: connection.protection().to_string(),
        };
        let worn = connection.transactions() >= self.delivery.config.messages_per_connection;
        if !connection.is_usable() {
            self.connection = None;
        } else if worn && let Some(connection) = self.connection.take() {
            connection.quit().await;
        }
        sent
    }

    async fn connect(&self, need: Need) -> Result<Connection, NoConnection> {
        let search = Search {
            delivery: &self.delivery,
            destination: &self.destination,
            store: &self.store,
            need,
        };
        // In a box: nearly every message goes over a connection that is there.
        match Box::pin(search.run()).await {
            Ok((connection, tried)) => {
                self.tell(&tried).await;
                Ok(connection)
            }
            Err(none) => {
                self.tell(&none.tried).await;
                Err(none)
            }
        }
    }

    /// Whoever can mend it learns of it: nobody but an administrator can.
    async fn tell(&self, tried: &[Tried]) {
        let alerts: Vec<NewAlert> = tried.iter().filter_map(problem).collect();
        if let Err(error) = self.store.raise(alerts).await {
            tracing::warn!(%error, "an alert about delivery cannot be stored");
        }
    }

    fn next_hop(&self) -> String {
        match (&self.connection, &self.destination) {
            (Some(connection), _) => connection.name().to_owned(),
            (None, Destination::Domain(domain)) => domain.clone(),
            (None, Destination::Smarthost) => "smarthost".to_owned(),
            (None, Destination::Route(name)) => format!("route {name}"),
            (None, Destination::RouteDomain { domain, .. }) => domain.clone(),
            (None, Destination::Maildir) => "maildir".to_owned(),
        }
    }
}

/// What an administrator is to know of a host that was tried in vain.
fn problem(tried: &Tried) -> Option<NewAlert> {
    let (host, reply) = (&tried.host, &tried.setback.reply);
    let summary = match tried.setback.fault {
        Fault::Login => format!("{host} does not let this relay log in: {reply}"),
        Fault::Source => reply.to_string(),
        Fault::Ourselves => format!("mail would come back to this relay: {reply}"),
        Fault::Unreachable | Fault::Tls | Fault::Unprotected => return None,
    };
    tracing::warn!(next_hop = host, "{summary}");
    let (severity, now) = (Severity::Critical, Timestamp::now());
    let alert = NewAlert::new(Kind::DeliveryProblem, severity, summary, now);
    Some(alert.keyed(host.clone()))
}

impl Report {
    fn add(&mut self, recipients: &[OpenRecipient], next_hop: &str, sent: Sent) {
        let (began_at, at) = (Some(self.began_at), Timestamp::now());
        let (outcomes, tls) = (sent.transacted.outcomes, sent.tls);
        self.handovers
            .extend(outcomes.iter().map(|_| sent.handover));
        let attempts = recipients
            .iter()
            .zip(outcomes)
            .map(|(recipient, outcome)| Attempt {
                recipient: recipient.index,
                began_at,
                at,
                next_hop: next_hop.to_owned(),
                tls: tls.clone(),
                outcome,
            });
        self.attempts.extend(attempts);
    }

    /// `name` is the destination's, for when no host was found in it.
    fn no_connection(&mut self, recipients: &[OpenRecipient], name: &str, none: NoConnection) {
        if let Outcome::Deferred(reply) = &none.outcome {
            self.reach = Reach::Unreachable(reply.clone());
        }
        let outcomes = vec![none.outcome; recipients.len()];
        let asked = none.tried.last().map_or(name, |tried| tried.host.as_str());
        self.add(recipients, asked, Sent::unsent(outcomes));
    }
}
