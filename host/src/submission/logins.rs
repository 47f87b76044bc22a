//! Slows guessing down: waits before a login that follows failed ones, and tells a person of many.

use std::time::{Duration, Instant};

use tracing::{debug, error, info, warn};

use super::Shared;
use crate::alert::{Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::guard::{Crossed, Guess, Hold, Origin};
use crate::intake::{Peer, Principal};
use crate::metrics;
use crate::smtp::Reply;

/// The subject of the one alert about all names that are no user's: they are a client's text.
const UNKNOWN_USERS: &str = "unknown users";

impl Shared {
    /// Waits for as long as earlier failures ask for.
    ///
    /// # Errors
    /// The reply to AUTH when the client's address is blocked, or the relay is shutting down.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn hold_back(&self, peer: &Peer, username: &str) -> Result<(), Reply> {
        let origin = Origin::of(peer.client.ip());
        let limits = self.config();
        match self
            .guard
            .hold(&limits.logins, origin, username, Instant::now())
        {
            Hold::Delay(Duration::ZERO) => Ok(()),
            Hold::Delay(delay) => {
                let delay_ms = delay.as_millis();
                debug!(session.id = peer.session_id, %origin, delay_ms, "a login waits");
                tokio::select! {
                    () = tokio::time::sleep(delay) => Ok(()),
                    () = self.shutdown.announced() => Err(Reply::new(
                        454,
                        (4, 3, 2),
                        "the relay is shutting down; try again later",
                    )),
                }
            }
            Hold::Blocked(left) => {
                debug!(session.id = peer.session_id, %origin, "a login from a blocked address is refused");
                Err(blocked(origin, left))
            }
        }
    }

    /// Counts a failed login and tells a person when there are many. `secret` is the wrong password,
    /// where the mechanism shows it.
    pub(super) async fn login_failed(
        &self,
        peer: &Peer,
        principal: Option<&Principal>,
        username: &str,
        secret: Option<&str>,
    ) {
        let origin = Origin::of(peer.client.ip());
        let limits = self.config();
        let rules = &limits.logins;
        let guess = Guess { username, secret };
        metrics::logged_in(false);
        let crossed = self.guard.failed(rules, origin, guess, Instant::now());
        info!(
            session.id = peer.session_id,
            %origin,
            user = username,
            "authentication failed"
        );
        if crossed.is_blocked {
            let block_s = rules.block_s;
            warn!(%origin, block_s, "too many failed logins from one address; it is blocked for a while");
        }
        let alerts = alerts(crossed, origin, principal, Timestamp::now());
        for alert in &alerts {
            warn!(%origin, kind = %alert.kind, "{}", alert.summary);
        }
        if let Err(error) = self.store.raise(alerts).await {
            error!(session.id = peer.session_id, %error, "an alert could not be stored");
        }
    }
}

/// What a client at a blocked address is told.
pub(super) fn blocked(origin: Origin, left: Duration) -> Reply {
    let minutes = left.as_secs().div_ceil(60).max(1);
    let text = format!(
        "too many failed logins from {origin}; try again in {minutes} min, with the right password"
    );
    Reply::new(421, (4, 7, 0), text)
}

/// One alert for the user name and one for the address, if they have just reached the threshold.
///
/// Names without a user share one alert, so that it takes the same time, and no list is filled by a
/// client's inventions.
fn alerts(
    crossed: Crossed,
    origin: Origin,
    principal: Option<&Principal>,
    at: Timestamp,
) -> Vec<NewAlert> {
    let alert = |list_id, user: &str, key: String, summary: String| {
        let alert = NewAlert::new(Kind::AuthenticationFailures, Severity::Warning, summary, at);
        alert.of(list_id, user).keyed(key)
    };
    let of_user = crossed.user.map(|count| match principal {
        Some(principal) => {
            let user = &principal.account.user.username;
            let summary = format!("{count} failed logins as {user}, the most recent from {origin}");
            let list = Some(principal.account.list.id);
            alert(list, user, "user".to_owned(), summary)
        }
        None => {
            let summary = format!(
                "{count} failed logins with a name that is no user's, the most recent from {origin}"
            );
            alert(None, "", UNKNOWN_USERS.to_owned(), summary)
        }
    });
    let of_origin = crossed.origin.map(|count| {
        let summary = format!("{count} failed logins from {origin}");
        alert(None, "", origin.to_string(), summary)
    });
    of_user.into_iter().chain(of_origin).collect()
}
