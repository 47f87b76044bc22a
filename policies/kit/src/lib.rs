//! What the shipped policies share: what a user may send as, reading and explaining settings, texts fit
//! to be shown, an allocator for instances that live for one evaluation, and the frame of a component.
//!
//! Of the interface in `wit/policy.wit` only the frame knows, and it is a macro: each policy makes its own bindings.

pub mod allowed;
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "hands out memory")]
mod arena;
mod component;
pub mod json;
pub mod settings;
pub mod text;
