//! Decides who is served next and when a recipient is tried again. Opens no sockets; `delivery` does.
mod config;
pub mod plan;
pub mod retry;
pub use self::config::Config;
#[derive(Clone)]
pub struct Scheduler;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct SchedulerError;
impl SchedulerError {
    pub fn hint(&self) -> Option<String> {
        None
    }
}
impl Scheduler {
    pub async fn start(
        _c: &Config,
        _d: &crate::delivery::Config,
        _h: &str,
        _s: crate::store::Store,
    ) -> Result<Self, SchedulerError> {
        Ok(Self)
    }
    pub fn submit(&self, _m: crate::queue::OpenMessage) {}
    pub fn pause(&self) {}
    pub fn resume(&self) {}
    pub async fn shutdown(&self, _d: std::time::Duration) {}
}
