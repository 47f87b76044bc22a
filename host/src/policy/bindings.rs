//! The Rust side of `wit/policy.wit`: generated types, and requests that share what they carry.
//!
//! The requests are written by hand because the generated ones own their session, envelope and
//! message; these hold them by [`Arc`], so that a chain of policies is asked without one copy.
#![allow(
    missing_docs,
    dead_code,
    unsafe_code,
    clippy::all,
    reason = "expanded from wit/policy.wit, which documents every item"
)]

use std::sync::Arc;

use wasmtime::component::{ComponentType, Lift, Lower};

use self::gatepost::policy::types::{Envelope, Message, Priority, Session};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "full-policy",
    // Reads from the store.
    imports: { "gatepost:policy/content.read": async | trappable },
    additional_derives: [PartialEq],
});

/// `message-stage.request`.
#[derive(Clone, ComponentType, Lower)]
#[component(record)]
pub(super) struct MessageRequest {
    pub settings: Arc<str>,
    pub session: Arc<Session>,
    pub envelope: Arc<Envelope>,
    pub message: Arc<Message>,
    #[component(name = "effective-priority")]
    pub effective_priority: Priority,
}

/// `envelope-stage.request`.
#[derive(Clone, ComponentType, Lower)]
#[component(record)]
pub(super) struct EnvelopeRequest {
    pub settings: Arc<str>,
    pub session: Arc<Session>,
    pub envelope: Arc<Envelope>,
}

/// `needs.need`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Need {
    #[component(name = "nothing")]
    Nothing,
    #[component(name = "identity")]
    Identity,
    #[component(name = "request")]
    Request,
}

/// `needs.message-need`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum MessageNeed {
    #[component(name = "originators")]
    Originators,
    #[component(name = "request")]
    Request,
}

/// `needs.needs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub(super) struct Needs {
    #[component(name = "on-sender")]
    pub on_sender: Need,
    #[component(name = "on-recipient")]
    pub on_recipient: Need,
    pub evaluate: MessageNeed,
    pub headers: bool,
}
