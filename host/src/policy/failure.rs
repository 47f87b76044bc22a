//! The ways an evaluation can fail to give a verdict, and how to tell them apart.

use std::fmt;

use wasmtime::{PoolConcurrencyLimitError, Trap};

/// Why an evaluation gave no usable verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The guest trapped: a panic, an assertion, an access out of bounds.
    Trap,
    /// It used up its fuel.
    Fuel,
    /// It ran longer than its time limit.
    Deadline,
    /// It was refused memory or table space beyond its limit, and ended over it.
    Memory,
    /// It used up its call stack.
    Stack,
    /// It handed over more data at once than the host takes.
    HostCall,
    /// It answered with an error.
    GuestError,
    /// It answered with something that is not a valid verdict.
    BadVerdict,
    /// It was not asked: too many evaluations were waiting.
    Saturated,
}

impl FailureKind {
    /// The lower-case name logs and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Fuel => "fuel",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::HostCall => "host-call",
            Self::GuestError => "guest-error",
            Self::BadVerdict => "bad-verdict",
            Self::Saturated => "saturated",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure with what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub kind: FailureKind,
    /// For the operator; may quote the guest and is sanitised where it is used.
    pub detail: String,
}

impl Failure {
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// Names the failure behind an error of the engine. `memory_denied` tells whether the guest was
    /// refused memory, after which most languages abort with a trap of no other meaning.
    pub fn from_engine(error: &wasmtime::Error, memory_denied: bool) -> Self {
        let kind = match error.downcast_ref::<Trap>() {
            Some(trap) => trap_kind(*trap, memory_denied),
            None => error_kind(error, memory_denied),
        };
        Self::new(kind, last_cause(error))
    }
}

/// Ends an evaluation whose time is up; raised between two ticks of the epoch.
#[derive(Debug, thiserror::Error)]
#[error("the time limit has passed")]
pub(super) struct DeadlinePassed;

fn trap_kind(trap: Trap, memory_denied: bool) -> FailureKind {
    match trap {
        Trap::OutOfFuel => FailureKind::Fuel,
        Trap::StackOverflow => FailureKind::Stack,
        Trap::Interrupt => FailureKind::Deadline,
        _ if memory_denied => FailureKind::Memory,
        _ => FailureKind::Trap,
    }
}

/// Everything that is not a trap: our own markers, and values that break the canonical ABI.
fn error_kind(error: &wasmtime::Error, memory_denied: bool) -> FailureKind {
    if error.downcast_ref::<DeadlinePassed>().is_some() {
        FailureKind::Deadline
    } else if error.is::<wasmtime_wasi::I32Exit>() {
        FailureKind::Trap
    } else if error.is::<PoolConcurrencyLimitError>() {
        FailureKind::Saturated
    } else if memory_denied || last_cause(error).contains("resource limit exceeded") {
        FailureKind::Memory
    // The engine has no type for these two errors; tests keep the texts in step.
    } else if last_cause(error).contains("fuel allocated for hostcalls") {
        FailureKind::HostCall
    } else {
        FailureKind::BadVerdict
    }
}

/// The end of the cause chain: what precedes it is a backtrace of the guest.
fn last_cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_below_its_context() {
        let cases = [
            (Trap::OutOfFuel, false, FailureKind::Fuel),
            (Trap::OutOfFuel, true, FailureKind::Fuel),
            (Trap::StackOverflow, false, FailureKind::Stack),
            (Trap::Interrupt, false, FailureKind::Deadline),
            (Trap::UnreachableCodeReached, false, FailureKind::Trap),
            (Trap::UnreachableCodeReached, true, FailureKind::Memory),
        ];
        for (trap, denied, kind) in cases {
            let error = wasmtime::Error::from(trap).context("wasm backtrace");
            let failure = Failure::from_engine(&error, denied);
            assert_eq!(failure.kind, kind, "{trap:?}");
            assert_eq!(failure.detail, trap.to_string());
        }
    }

    #[test]
    fn the_deadline_is_told_from_other_errors() {
        let late = wasmtime::Error::from(DeadlinePassed).context("wasm backtrace");
        assert_eq!(
            Failure::from_engine(&late, true).kind,
            FailureKind::Deadline
        );
        let invalid = wasmtime::Error::msg("invalid utf-8 sequence");
        assert_eq!(
            Failure::from_engine(&invalid, false).kind,
            FailureKind::BadVerdict
        );
    }
}
