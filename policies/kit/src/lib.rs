//! What the shipped policies share: what a user may send as, reading and explaining settings, texts fit
//! to be shown, and an allocator for instances that live for one evaluation.
//!
//! It knows nothing of the interface in `wit/policy.wit`; each policy makes its own bindings.

pub mod allowed;
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "hands out memory")]
mod arena;
pub mod json;
pub mod settings;
pub mod text;
