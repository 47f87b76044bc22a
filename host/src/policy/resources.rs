//! What the host lends to policies that are granted more than their request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::bindings::gatepost::policy::{content, counters};
use super::counters::{Asked, Counters, MAX_KEY_OCTETS, MAX_WINDOW_S};
use super::effects::{error, wrong_stage};
use super::failure::DeadlinePassed;
use super::limits::State;
use super::types::Error;

/// Octets that one call reads at most.
const MAX_READ_OCTETS: usize = 64 * 1024;
/// How often an evaluation may fetch the whole message.
const MAX_PASSES: u64 = 4;
/// Octets an evaluation may fetch on top of that, so that small messages are no special case.
const FREE_OCTETS: u64 = 1 << 20;

/// What policies share beyond one set of them: it outlives a reload.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// Where `counters` counts. The default is a fresh one in memory.
    pub counters: Arc<Counters>,
    /// The names that `effects.set-route` knows. Default: none.
    pub routes: Arc<[String]>,
}

/// A part of a message, and where it begins in it; none when it cannot be read.
pub type PartFuture<'a> = Pin<Box<dyn Future<Output = Option<(u64, Bytes)>> + Send + 'a>>;

/// Where `content` reads a message from.
pub trait Content: Send + Sync {
    /// Octets in all.
    fn size(&self) -> u64;

    /// The part that has the octet at `offset`, which is below the size.
    fn part(&self, offset: u64) -> PartFuture<'_>;
}

/// A message that is all in memory.
impl Content for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn part(&self, _offset: u64) -> PartFuture<'_> {
        Box::pin(std::future::ready(Some((0, self.clone()))))
    }
}

/// One policy reading one message.
#[derive(Default)]
pub(super) struct Reading {
    content: Option<Arc<dyn Content>>,
    /// The part that was read last, so that small steps cost one fetch for each part.
    part: Option<(u64, Bytes)>,
    fetched: u64,
}

impl Reading {
    pub fn of(content: Option<Arc<dyn Content>>) -> Self {
        Self {
            content,
            ..Self::default()
        }
    }

    fn content(&self) -> Result<&Arc<dyn Content>, Error> {
        let missing = || error("unavailable", "the content of the message is not at hand");
        self.content.as_ref().ok_or_else(missing)
    }

    async fn read(&mut self, offset: u64, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let content = Arc::clone(self.content()?);
        if offset >= content.size() || max_bytes == 0 {
            return Ok(Vec::new());
        }
        if within(self.part.as_ref(), offset).is_none() {
            self.fetch(&*content, offset).await?;
        }
        let Some(rest) = within(self.part.as_ref(), offset) else {
            return Err(error(
                "unavailable",
                "the content of the message cannot be read",
            ));
        };
        Ok(rest[..rest.len().min(max_bytes).min(MAX_READ_OCTETS)].to_vec())
    }

    async fn fetch(&mut self, content: &dyn Content, offset: u64) -> Result<(), Error> {
        let limit = content
            .size()
            .saturating_mul(MAX_PASSES)
            .saturating_add(FREE_OCTETS);
        if self.fetched > limit {
            let text = "the policy has read the message too often; read it once, in order";
            return Err(error("too-many", text));
        }
        self.part = content.part(offset).await;
        let octets = self.part.as_ref().map_or(0, |(_, octets)| octets.len());
        self.fetched = self.fetched.saturating_add(octets as u64);
        Ok(())
    }
}

/// What a part has from `offset` on; none when the octet is not in it.
fn within(part: Option<&(u64, Bytes)>, offset: u64) -> Option<&[u8]> {
    let (begin, octets) = part?;
    let at = usize::try_from(offset.checked_sub(*begin)?).ok()?;
    octets.get(at..).filter(|rest| !rest.is_empty())
}

impl content::Host for State {
    fn size(&mut self) -> Result<u64, Error> {
        Ok(self.reading.content()?.size())
    }

    async fn read(
        &mut self,
        offset: u64,
        max_bytes: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        // The epoch counts in guests alone; what waits here is ended by the same deadline.
        let deadline = tokio::time::Instant::from_std(self.deadline);
        let reading = self.reading.read(offset, max_bytes as usize);
        let read = tokio::time::timeout_at(deadline, reading).await;
        if self.deadline <= Instant::now() {
            return Err(DeadlinePassed.into());
        }
        read.map_err(|_| DeadlinePassed.into())
    }
}

impl State {
    fn counter<'a>(&'a self, key: &'a str, window_s: u32) -> Result<Asked<'a>, Error> {
        let draft = self.draft.as_ref().ok_or_else(wrong_stage)?;
        if !(1..=MAX_KEY_OCTETS).contains(&key.len()) {
            let text = format!("a key has 1 to {MAX_KEY_OCTETS} octets, not {}", key.len());
            return Err(error("bad-key", text));
        }
        if !(1..=MAX_WINDOW_S).contains(&window_s) {
            let text = format!("a window has 1 to {MAX_WINDOW_S} seconds, not {window_s}");
            return Err(error("bad-window", text));
        }
        Ok(Asked {
            policy: &self.policy,
            key,
            window_s,
            now_ms: i64::try_from(draft.session.received_at_ms).unwrap_or(i64::MAX),
        })
    }
}

impl counters::Host for State {
    fn add(&mut self, key: String, amount: u32, window_seconds: u32) -> Result<u64, Error> {
        let asked = self.counter(&key, window_seconds)?;
        Ok(self.resources.counters.add(asked, amount))
    }

    fn take(
        &mut self,
        key: String,
        amount: u32,
        limit: u64,
        window_seconds: u32,
    ) -> Result<counters::Share, Error> {
        let asked = self.counter(&key, window_seconds)?;
        let share = self.resources.counters.take(asked, amount, limit);
        Ok(counters::Share {
            granted: share.granted,
            total: share.total,
            wait_seconds: share.wait_s,
        })
    }

    fn peek(&mut self, key: String, window_seconds: u32) -> Result<u64, Error> {
        let asked = self.counter(&key, window_seconds)?;
        Ok(self.resources.counters.peek(asked))
    }
}
