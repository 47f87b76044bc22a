//! Many sessions that are logged in and say nothing.

use std::io;

use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::Load;
use super::session::Session;
use crate::client::trust::trusting_config;

/// Sessions that are opened at the same time.
const AT_A_TIME: usize = 64;

/// The sessions; they end when this is dropped. To be used within a `LocalSet`.
pub struct Crowd(Vec<Session>);

impl Crowd {
    /// Opens `count` sessions as the load says.
    ///
    /// # Errors
    /// The first session that cannot be opened.
    pub async fn gather(load: &Load, count: usize) -> io::Result<Self> {
        let tls = TlsConnector::from(trusting_config());
        let mut sessions = Vec::with_capacity(count);
        let mut opening = JoinSet::new();
        for _ in 0..count {
            if opening.len() == AT_A_TIME
                && let Some(opened) = opening.join_next().await
            {
                sessions.push(opened??);
            }
            let (load, tls) = (load.clone(), tls.clone());
            opening.spawn_local(async move { Session::open(&load, &tls).await });
        }
        while let Some(opened) = opening.join_next().await {
            sessions.push(opened??);
        }
        Ok(Self(sessions))
    }

    /// How many sessions still answer NOOP.
    pub async fn alive(&mut self) -> usize {
        let mut alive = 0;
        for session in &mut self.0 {
            alive += usize::from(session.noop().await.is_ok());
        }
        alive
    }
}
