//! What a next hop is sent: the content as it takes it, with the signatures of exactly those octets ahead.
//!
//! A message that is neither signed nor encoded down is read once, while it is sent. Any other is read ahead
//! of the transaction: to find out what must be encoded, then to hash what comes of it. Pieces of it are in
//! memory, never the whole; what was found is remembered for the message's other next hops and attempts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::content::ContentReader;
use super::smtp::reply::{deferred, failed};
use crate::dkim::{DkimError, Signatures, Signer};
use crate::id::QueueId;
use crate::message::downgrade::{Channel, Downgrade, Obstacle, Plan, Survey};
use crate::queue::{OpenMessage, Outcome};
use crate::store::{Store, StoreError};

/// Signs messages, and remembers what was found out about them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub signer: Signer,
    remembered: Mutex<Remembered>,
}

/// The newest, by message, form and keys.
#[derive(Debug, Default)]
struct Remembered {
    known: HashMap<Key, Prepared>,
    order: VecDeque<Key>,
}

/// A message, what its next hop takes if that is less than it is, and which keys sign it.
type Key = (QueueId, Option<Channel>, u64);

/// What was found out about a message.
#[derive(Clone, Debug)]
struct Prepared {
    /// Goes ahead of the content.
    signatures: Bytes,
    /// None when the content goes as it is.
    plan: Option<Arc<Plan>>,
    /// Octets in all.
    size: u64,
}

/// A message, and where its content and its signatures come from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub message: &'a OpenMessage,
    pub store: &'a Store,
    pub(super) outbox: &'a Outbox,
}

/// Why a message cannot be sent to this next hop, or not now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("content is not at hand: {0}")]
    Content(#[from] StoreError),
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    #[error(transparent)]
    Sign(#[from] DkimError),
}

impl Unfit {
    /// What it comes to for the recipients at the next hop of this name.
    pub fn outcome(&self, host: &str) -> Outcome {
        match self {
            Self::Content(_) => deferred(self.to_string()),
            Self::Sign(_) => deferred(format!("4.3.0 {self}")),
            // RFC 3463 §3.7: conversion required and not possible, or failed.
            Self::Obstacle(Obstacle::Address(_)) => failed(format!(
                "5.6.7 {host} takes no header fields beyond ASCII (SMTPUTF8): {self}"
            )),
            Self::Obstacle(Obstacle::Sealed | Obstacle::Part) => failed(format!(
                "5.6.3 {host} takes less than this message has (8BITMIME, BINARYMIME): {self}"
            )),
            Self::Obstacle(Obstacle::TooComplex) => failed(format!(
                "5.6.5 {host} takes less than this message has (8BITMIME, BINARYMIME): {self}"
            )),
        }
    }
}

/// The octets for one transaction, piece by piece.
pub(crate) struct Outgoing<'a> {
    /// What is to be handed out ahead of the content.
    ahead: Bytes,
    reader: ContentReader<'a>,
    /// None when the content goes as it is, or has ended.
    downgrade: Option<Downgrade>,
    size: u64,
}

impl<'a> Source<'a> {
    /// Gets the message ready for a next hop; `channel` is what that takes where it is less than the
    /// message may need.
    ///
    /// # Errors
    /// When it cannot be sent there, or not now; nothing has been said to the next hop then.
    ///
    /// # Cancel safety
    /// Nothing is remembered of a cancelled preparation.
    pub async fn prepare(self, channel: Option<Channel>) -> Result<Outgoing<'a>, Unfit> {
        let keys = self.outbox.signer.generation();
        if channel.is_none() && keys.is_none() {
            return Ok(self.outgoing(channel, &self.as_it_is()));
        }
        let key = (self.message.id, channel, keys.unwrap_or_default());
        if let Some(prepared) = self.outbox.remembered.lock().known.get(&key) {
            return Ok(self.outgoing(channel, prepared));
        }
        let plan = match channel {
            Some(channel) => self.survey(channel).await?.map(Arc::new),
            None => None,
        };
        let signatures = match keys {
            Some(_) => self
                .outbox
                .signer
                .signatures(&self.head(channel, &plan).await?),
            None => None,
        };
        let mut prepared = Prepared {
            plan,
            ..self.as_it_is()
        };
        if prepared.plan.is_some() || signatures.is_some() {
            self.measure(channel, signatures, &mut prepared).await?;
            let room = self.outbox.signer.remembered_messages();
            self.outbox
                .remembered
                .lock()
                .put(key, prepared.clone(), room);
        }
        Ok(self.outgoing(channel, &prepared))
    }

    const fn as_it_is(&self) -> Prepared {
        Prepared {
            signatures: Bytes::new(),
            plan: None,
            size: self.message.size,
        }
    }

    fn outgoing(&self, channel: Option<Channel>, prepared: &Prepared) -> Outgoing<'a> {
        let plan = prepared.plan.clone();
        Outgoing {
            ahead: prepared.signatures.clone(),
            reader: ContentReader::new(self.message, self.store),
            downgrade: channel
                .zip(plan)
                .map(|(channel, plan)| Downgrade::new(channel, plan)),
            size: prepared.size,
        }
    }

    /// What must be encoded; none when nothing must.
    async fn survey(&self, channel: Channel) -> Result<Option<Plan>, Unfit> {
        let mut reader = ContentReader::new(self.message, self.store);
        let mut survey = Survey::new(channel);
        while let Some(piece) = reader.next().await? {
            survey.read(&piece)?;
        }
        Ok(Some(survey.finish()?).filter(|plan| !plan.is_nothing()))
    }

    /// The first piece as it leaves: the header section is in it.
    async fn head(
        &self,
        channel: Option<Channel>,
        plan: &Option<Arc<Plan>>,
    ) -> Result<Bytes, Unfit> {
        let prepared = Prepared {
            plan: plan.clone(),
            ..self.as_it_is()
        };
        let first = self.outgoing(channel, &prepared).next().await?;
        Ok(first.unwrap_or_default())
    }

    /// Reads what leaves, to know its size and to sign it.
    async fn measure(
        &self,
        channel: Option<Channel>,
        signatures: Option<Signatures>,
        prepared: &mut Prepared,
    ) -> Result<(), Unfit> {
        let mut outgoing = self.outgoing(channel, prepared);
        let mut signing = signatures.as_ref().map(Signatures::begin);
        prepared.size = 0;
        while let Some(piece) = outgoing.next().await? {
            prepared.size += piece.len() as u64;
            if let Some(signing) = &mut signing {
                signing.write(&piece);
            }
        }
        if let Some(signing) = signing {
            prepared.signatures = signing.finish()?.into();
            prepared.size += prepared.signatures.len() as u64;
        }
        Ok(())
    }
}

impl Outgoing<'_> {
    /// To be asked right before the end of the content is sent: a node that is not sure to have the message for
    /// itself any more sends none.
    ///
    /// # Errors
    /// Another node may send the message.
    pub fn may_end(&self) -> Result<(), Unfit> {
        self.reader.may_end().map_err(Unfit::from)
    }

    /// Octets in all, ahead of dot-stuffing.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The next piece, never empty; none after the last.
    ///
    /// # Errors
    /// When the store cannot be read, or the content is not what it was.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Unfit> {
        if !self.ahead.is_empty() {
            return Ok(Some(std::mem::take(&mut self.ahead)));
        }
        loop {
            let piece = self.reader.next().await?;
            let written = match (piece, self.downgrade.take()) {
                (None, None) => return Ok(None),
                (Some(piece), None) => piece,
                (Some(piece), Some(mut downgrade)) => {
                    let mut out = Vec::with_capacity(piece.len());
                    downgrade.write(&piece, &mut out)?;
                    self.downgrade = Some(downgrade);
                    out.into()
                }
                (None, Some(downgrade)) => {
                    let mut out = Vec::new();
                    downgrade.finish(&mut out)?;
                    out.into()
                }
            };
            if !written.is_empty() {
                return Ok(Some(written));
            }
        }
    }
}

impl Remembered {
    /// Forgets the oldest where there is no `room` for more.
    fn put(&mut self, key: Key, prepared: Prepared, room: usize) {
        if self.known.insert(key, prepared).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > room {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}
