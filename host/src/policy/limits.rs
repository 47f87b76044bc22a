//! What one evaluation may hold and say: memory, tables, log lines. One value per store.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::ResourceLimiterAsync;

use super::bindings::gatepost::policy::log;
use super::effects::Draft;
use super::inert::Inert;
use super::resources::{Reading, Resources};
use super::verdict::printable;

/// Octets the host copies out of a guest in one call. 256 KiB: ten times the largest verdict that is kept whole; it
/// bounds what a guest can make the host allocate and look through.
pub(super) const HOST_CALL_BYTES: usize = 256 << 10;
/// Elements of all tables together; what the largest interpreter met so far needs, three times.
pub(super) const TABLE_ELEMENTS: usize = 20_000;
/// Core instances of one component: interpreters are linked from dozens of them.
pub(super) const CORE_INSTANCES: u32 = 48;
/// Linear memories of one component.
pub(super) const MEMORIES: u32 = 2;
/// Tables of one component.
pub(super) const TABLES: u32 = 4;
/// Octets of stack a guest has, enough for recursive parsers.
pub(super) const STACK_BYTES: usize = 512 << 10;
/// Octets of memory up to which an evaluation stays where the session runs. 4 MiB: more than compiled policies have, and
/// touched in less than a millisecond.
const SMALL_MEMORY_BYTES: u64 = 4 << 20;
/// How often an evaluation may grow tables and memories and stay where the session runs. 32: a compiled policy grows its
/// memory a few times, and its tables never. A guest that does it in a loop spends little fuel on much work of the host.
const FEW_GROWTHS: u32 = 32;
/// Log lines of one evaluation; the rest is dropped.
const LOG_LINES: u32 = 32;
/// Octets of a log line; the rest is cut.
const LOG_LINE_BYTES: usize = 1024;

/// A line a policy wrote to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// One printable line of at most 1,024 octets.
    pub text: String,
}

/// The host's side of one evaluation.
pub(super) struct State {
    pub policy: Arc<str>,
    log_lines_left: u32,
    pub keeps_log: bool,
    pub kept_log: Vec<LogLine>,
    pub limiter: Limiter,
    pub resources: Resources,
    /// What it is about, as this evaluation leaves it; none while the policy is loaded.
    pub draft: Option<Draft>,
    pub reading: Reading,
    /// The WASI of a policy that has one.
    pub inert: Option<Box<Inert>>,
    /// When the evaluation ends, whatever it does.
    pub deadline: Instant,
}

impl State {
    pub fn new(
        policy: Arc<str>,
        memory_bytes: usize,
        deadline: Instant,
        resources: Resources,
        subject: Subject,
    ) -> Self {
        Self {
            policy,
            log_lines_left: LOG_LINES,
            keeps_log: false,
            kept_log: Vec::new(),
            limiter: Limiter::new(memory_bytes),
            resources,
            draft: subject.draft,
            reading: subject.reading,
            inert: None,
            deadline,
        }
    }
}

impl State {
    /// Lends the evaluation a WASI with nothing in it.
    pub fn lend_wasi(&mut self) {
        let session = self.draft.as_ref().map(|draft| &*draft.session);
        self.inert = Some(Box::new(Inert::new(session)));
    }

    /// Turns what was printed into log lines, within the limits of log lines.
    pub fn log_printed(&mut self) {
        let Some(inert) = self.inert.take() else {
            return;
        };
        for line in inert.printed().lines() {
            log::Host::write(self, log::Level::Info, line.to_owned());
        }
    }
}

/// What an evaluation is about, for the imports that reach beyond its request.
#[derive(Default)]
pub(super) struct Subject {
    pub draft: Option<Draft>,
    pub reading: Reading,
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) {
        let Some(left) = self.log_lines_left.checked_sub(1) else {
            return;
        };
        self.log_lines_left = left;
        tracing::debug!(
            policy = &*self.policy,
            guest.level = ?level,
            "policy says: {}",
            printable(&message, LOG_LINE_BYTES)
        );
        if self.keeps_log {
            self.kept_log.push(LogLine {
                level: level_name(level),
                text: printable(&message, LOG_LINE_BYTES),
            });
        }
    }
}

const fn level_name(level: log::Level) -> &'static str {
    match level {
        log::Level::Debug => "debug",
        log::Level::Info => "info",
        log::Level::Warn => "warn",
        log::Level::Error => "error",
    }
}

/// Counts the memory and tables of a store, all of its instances together.
pub(super) struct Limiter {
    memory_limit: usize,
    memory_left: usize,
    tables_left: usize,
    /// What was granted last, to be taken back should the engine then fail to grow.
    last_memory: usize,
    last_table: usize,
    denied: bool,
    growths: u32,
    /// Whether it has let others go first.
    has_stepped_aside: bool,
}

impl Limiter {
    fn new(memory_bytes: usize) -> Self {
        Self {
            memory_limit: memory_bytes,
            memory_left: memory_bytes,
            tables_left: TABLE_ELEMENTS,
            last_memory: 0,
            last_table: 0,
            denied: false,
            growths: 0,
            has_stepped_aside: false,
        }
    }

    /// Octets of linear memory that were granted; a memory never shrinks.
    pub fn memory_bytes(&self) -> u64 {
        (self.memory_limit - self.memory_left) as u64
    }

    /// Lets others go first, once, before there is so much memory that to touch it and to give it back takes long, or
    /// when growing itself does.
    async fn step_aside_if_large(&mut self) {
        self.growths = self.growths.saturating_add(1);
        let is_small = self.memory_bytes() <= SMALL_MEMORY_BYTES && self.growths <= FEW_GROWTHS;
        if is_small || self.has_stepped_aside {
            return;
        }
        self.has_stepped_aside = true;
        tokio::task::yield_now().await;
    }

    /// Whether the guest was refused space at any time.
    pub fn denied(&self) -> bool {
        self.denied
    }
}

/// How many there may be is what the pool allows too; where there is no pool it is counted here.
#[async_trait::async_trait]
impl ResourceLimiterAsync for Limiter {
    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = take(&mut self.memory_left, desired.saturating_sub(current));
        self.last_memory = granted.unwrap_or(0);
        self.denied |= granted.is_none();
        self.step_aside_if_large().await;
        Ok(granted.is_some())
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_left += std::mem::take(&mut self.last_memory);
        self.denied = true;
        Ok(())
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let granted = take(&mut self.tables_left, desired.saturating_sub(current));
        self.last_table = granted.unwrap_or(0);
        self.denied |= granted.is_none();
        self.step_aside_if_large().await;
        Ok(granted.is_some())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.tables_left += std::mem::take(&mut self.last_table);
        self.denied = true;
        Ok(())
    }
}

/// Takes `amount` of what is left and says so; none when there is too little.
fn take(left: &mut usize, amount: usize) -> Option<usize> {
    *left = left.checked_sub(amount)?;
    Some(amount)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn memory_is_counted_over_all_instances() {
        let mut limiter = Limiter::new(100);
        let mut grow = async |from, to| {
            limiter
                .memory_growing(from, to, None)
                .await
                .expect("never fails")
        };
        assert!(grow(0, 60).await);
        assert!(!grow(0, 50).await);
        assert!(grow(60, 100).await);
        assert!(limiter.denied());
    }

    #[tokio::test]
    async fn what_the_engine_could_not_grow_is_given_back() {
        let mut limiter = Limiter::new(100);
        let granted = limiter.memory_growing(0, 100, None).await;
        assert!(granted.expect("never fails"));
        limiter
            .memory_grow_failed(wasmtime::Error::msg("no"))
            .expect("never fails");
        let granted = limiter.memory_growing(0, 100, None).await;
        assert!(granted.expect("never fails"));
    }

    #[test]
    fn who_wants_much_memory_lets_others_go_first_once() {
        let mut limiter = Limiter::new(64 << 20);
        let mut is_at_once = |from, to| {
            let mut growing = limiter.memory_growing(from, to, None);
            let mut context = Context::from_waker(Waker::noop());
            growing.as_mut().poll(&mut context).is_ready()
        };
        assert!(is_at_once(0, 1 << 20));
        assert!(!is_at_once(1 << 20, 9 << 20));
        assert!(is_at_once(9 << 20, 20 << 20));
    }

    #[test]
    fn who_grows_again_and_again_lets_others_go_first_once() {
        let mut limiter = Limiter::new(64 << 20);
        let mut is_at_once = |from| {
            let mut growing = limiter.table_growing(from, from + 1, None);
            let mut context = Context::from_waker(Waker::noop());
            growing.as_mut().poll(&mut context).is_ready()
        };
        let growths = 0..2 * FEW_GROWTHS as usize;
        let waited: Vec<usize> = growths.filter(|&from| !is_at_once(from)).collect();
        assert_eq!(waited, [FEW_GROWTHS as usize]);
    }

    #[test]
    fn log_lines_are_counted() {
        let (now, subject) = (Instant::now(), Subject::default());
        let mut state = State::new("p".into(), 0, now, Resources::default(), subject);
        state.keeps_log = true;
        for _ in 0..LOG_LINES * 2 {
            log::Host::write(&mut state, log::Level::Info, "x".repeat(5000));
        }
        assert_eq!(state.log_lines_left, 0);
        assert_eq!(state.kept_log.len(), LOG_LINES as usize);
        assert_eq!(state.kept_log[0].text.len(), LOG_LINE_BYTES);
    }
}
