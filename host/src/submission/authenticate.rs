//! Checks a client's credentials. A wrong name and a wrong password get the same reply after the same work.

use std::sync::Arc;
use std::time::Instant;

use tracing::{info, warn};

use super::Shared;
use super::admission::Place;
use crate::accounts::VerifierError;
use crate::guard::Origin;
use crate::intake::{Asked, Peer, Principal};
use crate::metrics;
use crate::secret::Secret;
use crate::smtp::{Credentials, Evidence, Reply};

/// Who the client has proved to be.
#[derive(Debug)]
pub struct Login {
    /// The account as it was at the most recent command.
    pub principal: Arc<Principal>,
    /// The SASL mechanism it used.
    pub mechanism: &'static str,
    /// Its place among the sessions of its user.
    _place: Place<i64>,
}

impl Shared {
    /// Verifies what the client presented; the error is the reply to AUTH.
    pub(super) async fn authenticate(
        &self,
        peer: &Peer,
        asked: Asked,
        credentials: Credentials,
    ) -> Result<Login, Reply> {
        let session_id = &peer.session_id;
        let found = self.directory.at(asked, &credentials.username).await;
        let principal = self.outage.note(found).ok_or_else(unavailable)?;
        let is_spared = match &credentials.evidence {
            Evidence::Password(password) => self.is_remembered(principal.as_deref(), password),
            // It has waited before its verifier was looked up.
            Evidence::Proof { .. } => true,
            Evidence::Downgraded => false,
        };
        if !is_spared {
            self.hold_back(peer, &credentials.username).await?;
        }
        let verified = self
            .verify(principal.as_deref(), &credentials)
            .await
            .map_err(|error| {
                warn!(session.id = session_id, %error, "a password cannot be verified");
                unavailable()
            })?;
        match principal {
            Some(principal) if verified && principal.account.user.active => {
                self.let_in(peer, principal, credentials.mechanism)
            }
            // Only who knows the password learns that the account exists.
            Some(principal) if verified => Err(inactive(&principal.account.user.username)),
            principal => {
                let shown = match &credentials.evidence {
                    Evidence::Password(password) => Some(password.expose().as_str()),
                    Evidence::Proof { .. } | Evidence::Downgraded => None,
                };
                self.login_failed(peer, principal.as_deref(), &credentials.username, shown)
                    .await;
                Err(refusal(&credentials.evidence))
            }
        }
    }

    /// A login that holds, unless its user has too many already.
    fn let_in(
        &self,
        peer: &Peer,
        principal: Arc<Principal>,
        mechanism: &'static str,
    ) -> Result<Login, Reply> {
        let user = &principal.account.user;
        let limits = self.config();
        let origin = Origin::of(peer.client.ip());
        self.guard
            .succeeded(&limits.logins, origin, &user.username, Instant::now());
        metrics::logged_in(true);
        let place = self
            .admission
            .user(user.id, &user.username, &limits)
            .inspect_err(|_| {
                info!(
                    session.id = peer.session_id,
                    user = user.username,
                    "more sessions than submission.max-connections-per-user"
                );
            })?;
        Ok(Login {
            principal,
            mechanism,
            _place: place,
        })
    }

    /// Whether the same was verified a short while ago: such a login is never held back.
    fn is_remembered(&self, principal: Option<&Principal>, password: &Secret<String>) -> bool {
        principal.is_some_and(|principal| {
            let user = &principal.account.user;
            let hash = user.password_hash.expose();
            self.verifier()
                .remembers(user.id, user.credential_version, hash, password)
        })
    }

    async fn verify(
        &self,
        principal: Option<&Principal>,
        credentials: &Credentials,
    ) -> Result<bool, VerifierError> {
        let password = match &credentials.evidence {
            Evidence::Password(password) => password,
            // The password must not have been changed since the proof was asked for.
            Evidence::Proof { is_right, version } => {
                let current = principal.map(|known| known.account.user.credential_version);
                return Ok(*is_right && current == Some(*version));
            }
            Evidence::Downgraded => return Ok(false),
        };
        let Some(principal) = principal else {
            self.verifier().verify_nobody(password).await?;
            return Ok(false);
        };
        let user = &principal.account.user;
        let hash = user.password_hash.expose();
        self.verifier()
            .verify(user.id, user.credential_version, hash, password)
            .await
    }

    /// The account of a login as it is now.
    ///
    /// # Errors
    /// A 421 when the login no longer holds: the account is gone, inactive or has a new password.
    pub(super) async fn still_valid(
        &self,
        asked: Asked,
        login: &Login,
    ) -> Result<Arc<Principal>, Reply> {
        let known = &login.principal.account.user;
        let found = self.directory.at(asked, &known.username).await;
        let current = self.outage.note(found).ok_or_else(|| {
            Reply::new(
                421,
                (4, 3, 0),
                "accounts cannot be read at the moment; try again later",
            )
        })?;
        let same_credential = |principal: &Arc<Principal>| {
            let user = &principal.account.user;
            (user.id, user.credential_version, user.active)
                == (known.id, known.credential_version, true)
        };
        current.filter(same_credential).ok_or_else(|| {
            info!(
                user = known.username,
                "the account was changed; its session ends"
            );
            let text = format!(
                "account {} was changed or disabled; log in again",
                known.username
            );
            Reply::new(421, (4, 7, 0), text)
        })
    }
}

fn refusal(evidence: &Evidence) -> Reply {
    let text = match evidence {
        Evidence::Password(_) | Evidence::Proof { .. } => {
            "the user name or the password is wrong; a new password can be had from your administrator"
        }
        Evidence::Downgraded => "channel binding is offered here; somebody between us hid it",
    };
    Reply::new(535, (5, 7, 8), text)
}

pub(super) fn unavailable() -> Reply {
    Reply::new(
        454,
        (4, 7, 0),
        "temporary authentication failure; try again later",
    )
}

fn inactive(username: &str) -> Reply {
    let text = format!("account {username} is not active; ask your administrator to activate it");
    Reply::new(535, (5, 7, 8), text)
}
