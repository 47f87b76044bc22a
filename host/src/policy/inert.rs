//! The WASI that some languages cannot start without, with nothing in it.
//!
//! No environment, no arguments, no files, no network. The wall clock stands at the time of the
//! request, the monotonic clock advances by being read, and randomness comes from the request, so
//! that the same request still gets the same verdict. What is printed becomes log lines.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::limits::State;
use super::types::Session;

/// Octets of what is printed in one evaluation; the rest is dropped.
const PRINTED_OCTETS: usize = 16 * 1024;
/// Octets of what is printed that one call takes, as much as WASI allows.
const WRITE_OCTETS: usize = 4096;
/// Handles an evaluation may hold at once: streams, timers. A policy needs none.
const MAX_HANDLES: usize = 1000;
/// Octets of randomness one call gives.
const RANDOM_OCTETS: u64 = 64 * 1024;
/// Blocks of 32 octets until the randomness repeats itself.
const RANDOM_BLOCKS: u8 = 16;
/// Nanoseconds between two reads of the monotonic clock.
const READ_NS: u64 = 1000;

/// The interfaces that are linked. `wasi:sockets` and `wasi:http` are not among them.
const LINKED: [&str; 5] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:io/",
    "wasi:random/",
];

/// Whether the tier has the interface that a component imports.
pub(super) fn is_linked(import: &str) -> bool {
    LINKED.iter().any(|prefix| import.starts_with(prefix))
}

/// Links it. What is linked beyond [`is_linked`] nobody reaches: such imports are refused before.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// The WASI of one evaluation.
pub(super) struct Inert {
    ctx: WasiCtx,
    table: ResourceTable,
    printed: Printed,
}

impl Inert {
    /// For one request of this session; none while the policy is loaded.
    pub fn new(session: Option<&Session>) -> Self {
        let printed = Printed::default();
        let randomness = randomness(session);
        let mut seed = [0; 16];
        seed.copy_from_slice(&randomness[..16]);
        let now_ms = session.map_or(0, |session| session.received_at_ms);
        let mut builder = WasiCtx::builder();
        builder
            .stdout(printed.clone())
            .stderr(printed.clone())
            .wall_clock(Standing(Duration::from_millis(now_ms)))
            .monotonic_clock(Reads(AtomicU64::new(0)))
            .secure_random(Deterministic::new(randomness.clone()))
            .insecure_random(Deterministic::new(randomness))
            .insecure_random_seed(u128::from_be_bytes(seed))
            .max_random_size(RANDOM_OCTETS)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            ctx: builder.build(),
            table,
            printed,
        }
    }

    /// What was printed, cut at [`PRINTED_OCTETS`].
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.0.lock()).into_owned()
    }
}

/// The same for the same request, and different from session to session.
fn randomness(session: Option<&Session>) -> Vec<u8> {
    let mut hash = Sha256::new();
    if let Some(session) = session {
        hash.update(session.received_at_ms.to_be_bytes());
        hash.update(session.id.as_bytes());
    }
    let blocks = (0..RANDOM_BLOCKS).map(|block| hash.clone().chain_update([block]).finalize());
    blocks.flatten().collect()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let inert = self
            .inert
            .as_mut()
            .expect("linked for policies that have it alone");
        WasiCtxView {
            ctx: &mut inert.ctx,
            table: &mut inert.table,
        }
    }
}

/// A clock that stands.
struct Standing(Duration);

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

/// A clock that counts how often it is read.
struct Reads(AtomicU64);

impl HostMonotonicClock for Reads {
    fn resolution(&self) -> u64 {
        READ_NS
    }

    fn now(&self) -> u64 {
        self.0.fetch_add(READ_NS, Ordering::Relaxed)
    }
}

/// Where both output streams go.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn push(&self, octets: &[u8]) {
        let mut printed = self.0.lock();
        let room = PRINTED_OCTETS - printed.len();
        printed.extend_from_slice(&octets[..octets.len().min(room)]);
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // The other version of WASI asks for this one; it is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Printed {
    fn write(&mut self, octets: Bytes) -> StreamResult<()> {
        self.push(&octets);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_OCTETS)
    }
}

impl Pollable for Printed {
    fn ready<'s, 'f>(&'s mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(std::future::ready(()))
    }
}
