//! The engine all policies of one set share: its settings, its pool of instances, its clock.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Enabled, Engine, PoolingAllocationConfig};

use super::bindings::gatepost::policy::{content, counters, effects, log};
use super::cache::CodeCache;
use super::config::{Config, Wasi};
use super::inert;
use super::limits::{CORE_INSTANCES, MEMORIES, STACK_BYTES, State, TABLE_ELEMENTS, TABLES};
use super::ticker::Ticker;

/// Room in the pool beside the evaluations: what a reload tries out and what runs in shadow, one of
/// each at a time, and slots whose memory is still being given back.
const SPARE_SLOTS: u32 = 4;
/// Octets of the host's own records for one component's instances.
const INSTANCE_BYTES: usize = 2 << 20;
/// Octets of a fiber's stack: the guest's part and as much again for the host calls below it.
const FIBER_STACK_BYTES: usize = STACK_BYTES * 2;
/// Octets of a memory that are written over instead of given back when an instance ends, where the
/// kernel tells which pages were touched (Linux 6.7): it spares the next one its page faults, half
/// of its time. 512 KiB is what the heaviest interpreter dirties; a slot keeps what was touched.
const KEPT_MEMORY_BYTES: usize = 512 << 10;
/// The same for a table, which is smaller.
const KEPT_TABLE_BYTES: usize = 64 << 10;
/// Octets of a memory image up to which it is mapped instead of copied, gaps included.
const IMAGE_BYTES: u64 = 64 << 20;

/// An engine with what is linked into every policy and the turnstile before it.
pub(super) struct Runtime {
    pub engine: Engine,
    /// Its clock.
    pub ticker: Arc<Ticker>,
    linker: Linker<State>,
    /// The same with inert WASI, made when the first policy asks for it.
    inert: OnceLock<Linker<State>>,
    settings: EngineSettings,
    permits: Arc<Semaphore>,
    loading: Arc<Semaphore>,
    shadowing: Arc<Semaphore>,
}

/// What of the configuration an engine is built by. Equal settings can share an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EngineSettings {
    concurrency: u32,
    memory_mib: u32,
}

impl EngineSettings {
    fn of(config: &Config) -> Self {
        let memory_mib = config.chain.iter().map(|p| p.limits.memory_mib).max();
        Self {
            concurrency: config.concurrency,
            memory_mib: memory_mib.unwrap_or(1),
        }
    }
}

impl Runtime {
    /// Builds the engine and starts its clock, which stops when the engine is dropped.
    ///
    /// # Errors
    ///
    /// When this machine cannot run the engine at all, or no thread can be started.
    pub fn new(config: &Config, cache: Option<&CodeCache>) -> wasmtime::Result<Self> {
        let settings = EngineSettings::of(config);
        let engine = engine(settings, cache)?;
        let mut linker = Linker::new(&engine);
        // All of them: what a policy may import is checked against its grants when it is loaded.
        log::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        counters::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        effects::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        content::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        let ticker = Arc::new(Ticker::start(engine.weak())?);
        Ok(Self {
            engine,
            ticker,
            linker,
            inert: OnceLock::new(),
            settings,
            permits: Arc::new(Semaphore::new(config.concurrency as usize)),
            loading: Arc::new(Semaphore::new(1)),
            shadowing: Arc::new(Semaphore::new(1)),
        })
    }

    /// What a policy of this tier can import.
    ///
    /// # Errors
    ///
    /// When it cannot be linked.
    pub fn linker(&self, wasi: Wasi) -> wasmtime::Result<&Linker<State>> {
        if wasi == Wasi::None {
            return Ok(&self.linker);
        }
        if self.inert.get().is_none() {
            let mut linker = self.linker.clone();
            inert::add_to_linker(&mut linker)?;
            // Whoever came first made the same one.
            let _ = self.inert.set(linker);
        }
        Ok(self.inert.get().unwrap_or(&self.linker))
    }

    /// Whether policies of this configuration can run here, with what is compiled already.
    pub fn fits(&self, config: &Config) -> bool {
        self.settings == EngineSettings::of(config)
    }

    /// Waits for a turn; none when it did not come in time.
    pub async fn turn(&self, patience: Duration) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        let turn = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(patience, turn).await.ok()?;
        Some(permit.expect("the semaphore is never closed"))
    }

    /// The turn of a policy that is being loaded, which no message waits for or takes away.
    pub async fn loading_turn(&self) -> OwnedSemaphorePermit {
        only(&self.loading).await
    }

    /// The turn of a policy in mode `shadow`, likewise.
    pub async fn shadow_turn(&self) -> OwnedSemaphorePermit {
        only(&self.shadowing).await
    }
}

async fn only(turns: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let turn = Arc::clone(turns).acquire_owned().await;
    turn.expect("the semaphore is never closed")
}

/// With a pool when the address space can be reserved, without one when it cannot.
fn engine(wanted: EngineSettings, cache: Option<&CodeCache>) -> wasmtime::Result<Engine> {
    let mut settings = settings(cache);
    settings.allocation_strategy(pool(wanted));
    Engine::new(&settings).or_else(|error| {
        tracing::warn!(
            error = %error.root_cause(),
            "cannot reserve address space for {} pooled policy instances; \
             allocating each on demand, which is slower; raise `ulimit -v` or lower policy.concurrency",
            wanted.concurrency
        );
        let mut settings = self::settings(cache);
        // Without reservations each memory takes the address space it uses and no more.
        settings.memory_reservation(0).memory_guard_size(1 << 16);
        Engine::new(&settings)
    })
}

fn settings(cache: Option<&CodeCache>) -> wasmtime::Config {
    let mut settings = wasmtime::Config::new();
    settings
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        // The same request gives the same verdict on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        // A failure is told by its cause alone, and walking a deep stack for it takes milliseconds.
        .wasm_backtrace_max_frames(None)
        .memory_guaranteed_dense_image_size(IMAGE_BYTES)
        .cache(cache.map(|cache| cache.0.clone()));
    settings
}

fn pool(wanted: EngineSettings) -> PoolingAllocationConfig {
    let slots = wanted.concurrency.saturating_add(SPARE_SLOTS);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MEMORIES))
        .total_tables(slots.saturating_mul(TABLES))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_component_instance_size(INSTANCE_BYTES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size((wanted.memory_mib as usize) << 20);
    // Without the kernel's help the whole range would be written over, which costs more than it saves.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
            .table_keep_resident(KEPT_TABLE_BYTES);
    }
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_without_room_for_its_pool_allocates_on_demand() {
        let config = Config {
            concurrency: 1 << 20,
            ..Config::default()
        };
        assert!(engine(EngineSettings::of(&config), None).is_ok());
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_in_time_is_given_up() {
        let config = Config {
            concurrency: 1,
            ..Config::default()
        };
        let runtime = Runtime::new(&config, None).expect("the engine runs here");
        let patience = Duration::from_millis(1);
        let first = runtime.turn(patience).await.expect("nobody is before us");
        assert!(runtime.turn(patience).await.is_none());
        let loading = runtime.loading_turn().await;
        drop((first, loading));
        assert!(runtime.turn(patience).await.is_some());
    }
}
