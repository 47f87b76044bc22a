//! Signing in and out: by name and password, by a one-time link, and who a session's token belongs to.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{Service, ServiceError};
use crate::alert::{Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::guard::{Crossed, Guess, Hold, Origin};
use crate::operators::{
    Digest, NewOperator, Operator, Role, Session, Token, check_password, code_of,
};
use crate::secret::Secret;

/// Names of the operator that the first start makes: the first that nobody has.
const FIRST_NAMES: [&str; 2] = ["admin", "operator"];
/// A session's use is noted when the last note is older: a request costs no write.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// A sign-in that holds.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub operator: Operator,
}

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// Name, password or code is wrong: which one is not told.
    #[error("the name, the password or the one-time code is wrong")]
    Wrong,
    /// There were too many wrong ones from there.
    #[error("too many failed sign-ins from your network; try again in {} min", .0.as_secs().div_ceil(60).max(1))]
    Blocked(Duration),
    /// It cannot be found out.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Service {
    /// Signs in; the token is for the browser alone. Waits when there were failures before.
    ///
    /// # Errors
    /// Why not.
    pub async fn sign_in(
        &self,
        client: IpAddr,
        name: &str,
        password: &Secret<String>,
        code: &str,
    ) -> Result<Token, SignInError> {
        let origin = Origin::of(client);
        self.hold_back(origin, name).await?;
        let found = self.store().operator_by_name(name).await;
        let found = found.map_err(ServiceError::from)?;
        match self.verified(found, password, code).await? {
            Some(operator) => {
                let rules = &self.config().logins;
                self.guard
                    .succeeded(rules, origin, &operator.name, Instant::now());
                info!(operator = operator.name, %origin, "signed in to the panel");
                Ok(self.begin(operator.id).await?)
            }
            None => {
                let secret = Some(password.expose().as_str());
                self.failed(
                    origin,
                    Guess {
                        username: name,
                        secret,
                    },
                )
                .await;
                Err(SignInError::Wrong)
            }
        }
    }

    /// Whose link it is, to ask for a password.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it does not hold, or not any more.
    pub async fn operator_of_link(&self, link: &Token) -> Result<Operator, ServiceError> {
        let now = Timestamp::now();
        let found = self.store().operator_of_link(link.digest(), now).await?;
        found.ok_or_else(|| ServiceError::not_found("link"))
    }

    /// Uses a link up: sets name and password, and signs in.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Invalid`].
    pub async fn use_link(
        &self,
        link: &Token,
        password: &Secret<String>,
    ) -> Result<Token, ServiceError> {
        let operator = self.operator_of_link(link).await?;
        check_password(password.expose(), &operator.name)
            .map_err(|problem| ServiceError::invalid("password", problem.to_string()))?;
        let hash = self.hash(password).await?;
        let now = Timestamp::now();
        let digest = link.digest();
        let used = self
            .store()
            .use_operator_link(operator.id, digest, now, hash);
        if !used.await? {
            return Err(ServiceError::not_found("link"));
        }
        info!(
            operator = operator.name,
            "a one-time link to the panel was used"
        );
        self.begin(operator.id).await
    }

    /// Whose session the token belongs to, when it holds; notes now and then that it is in use.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn signed(&self, token: &Token) -> Result<Option<Signed>, ServiceError> {
        let Some((session, operator)) = self.store().session(token.digest()).await? else {
            return Ok(None);
        };
        let now = Timestamp::now();
        let config = self.config();
        let is_over = now.since(session.began_at) >= config.session_max()
            || now.since(session.seen_at) >= config.session_idle();
        if is_over {
            self.store().end_session(session.digest).await?;
            return Ok(None);
        }
        if now.since(session.seen_at) >= SEEN_EVERY.min(config.session_idle() / 4) {
            self.store().see_session(session.digest, now).await?;
        }
        Ok(Some(Signed { session, operator }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn sign_out(&self, session: Digest) -> Result<(), ServiceError> {
        Ok(self.store().end_session(session).await?)
    }

    /// The link of the first start: made while nobody has ever signed in, anew at each start.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn first_link(&self) -> Result<Option<Token>, ServiceError> {
        let mut operators = self.store().operators().await?;
        operators.retain(|one| one.role == Role::Operator && one.active);
        let id = match operators.as_slice() {
            [] => self.first_operator().await?,
            // Others were made by a command, which printed a link of its own.
            [one] if FIRST_NAMES.contains(&one.name.as_str()) && one.password_hash.is_none() => {
                one.id
            }
            _ => return Ok(None),
        };
        self.link(id).await.map(Some)
    }

    async fn first_operator(&self) -> Result<i64, ServiceError> {
        let is_taken = self.store().operator_by_name(FIRST_NAMES[0]).await?;
        let name = FIRST_NAMES[usize::from(is_taken.is_some())];
        let first = NewOperator {
            name: name.to_owned(),
            role: Role::Operator,
            lists: Vec::new(),
        };
        Ok(self.store().create_operator(first).await?.id)
    }

    /// Forgets sessions and links that are over.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`].
    pub async fn tidy(&self) -> Result<(), ServiceError> {
        let now = Timestamp::now();
        let (max, idle) = (self.config().session_max(), self.config().session_idle());
        Ok(self
            .store()
            .purge_sessions(now, now - max, now - idle)
            .await?)
    }

    async fn begin(&self, operator_id: i64) -> Result<Token, ServiceError> {
        let token = Token::generate();
        let now = Timestamp::now();
        let session = Session {
            digest: token.digest(),
            operator_id,
            began_at: now,
            seen_at: now,
        };
        self.store().begin_session(session).await?;
        Ok(token)
    }

    /// The operator, when everything is right. A name without an operator costs the same work.
    async fn verified(
        &self,
        found: Option<Operator>,
        password: &Secret<String>,
        code: &str,
    ) -> Result<Option<Operator>, ServiceError> {
        let known = found.as_ref().filter(|one| one.active);
        let known = known.and_then(|one| Some((one, one.password_hash.as_ref()?)));
        let Some((operator, hash)) = known else {
            self.verifier.verify_nobody(password).await?;
            return Ok(None);
        };
        let (id, version) = (operator.id, operator.credential_version);
        let verified = self.verifier.verify(id, version, hash.expose(), password);
        if !verified.await? {
            return Ok(None);
        }
        if let Some(key) = &operator.totp {
            let Some(step) = key.step_of(&code_of(code), self.store().now()) else {
                return Ok(None);
            };
            if !self.store().use_totp_step(id, step).await? {
                return Ok(None);
            }
        }
        Ok(found)
    }

    async fn hold_back(&self, origin: Origin, name: &str) -> Result<(), SignInError> {
        let rules = &self.config().logins;
        match self.guard.hold(rules, origin, name, Instant::now()) {
            Hold::Delay(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Hold::Blocked(left) => Err(SignInError::Blocked(left)),
        }
    }

    async fn failed(&self, origin: Origin, guess: Guess<'_>) {
        let rules = &self.config().logins;
        let crossed = self.guard.failed(rules, origin, guess, Instant::now());
        info!(%origin, "a sign-in to the panel failed");
        if crossed.is_blocked {
            let block_s = rules.block_s;
            warn!(%origin, block_s, "too many failed sign-ins to the panel; the address is blocked for a while");
        }
        let alerts = alerts(crossed, origin, Timestamp::now());
        if let Err(error) = self.store().raise(alerts).await {
            warn!(%error, "an alert cannot be kept");
        }
    }
}

/// One alert for the name and one for the address, if they have just reached the threshold. The name is
/// a stranger's text and not told.
fn alerts(crossed: Crossed, origin: Origin, at: Timestamp) -> Vec<NewAlert> {
    let alert = |key: String, summary: String| {
        NewAlert::new(Kind::SignInFailures, Severity::Warning, summary, at).keyed(key)
    };
    let of_name = crossed.user.map(|count| {
        let summary = format!(
            "{count} failed sign-ins to the panel with one name, the most recent from {origin}"
        );
        alert("name".to_owned(), summary)
    });
    let of_origin = crossed.origin.map(|count| {
        let summary = format!("{count} failed sign-ins to the panel from {origin}");
        alert(origin.to_string(), summary)
    });
    of_name.into_iter().chain(of_origin).collect()
}
