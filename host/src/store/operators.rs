//! Operators of the panel, their sessions and one-time links.

use super::accounts::{insert, name_key};
use super::bulk::Statement;
use super::jobs::Work;
use super::sql::{self, Connection, Pool, Row};
use super::{Store, StoreError, rows};
use crate::clock::Timestamp;
use crate::operators::{Digest, NewOperator, Operator, Role, Session, TotpKey};
use crate::secret::Secret;

const INSERT: &str = "INSERT INTO operator (name, name_key, role, active, credential_version, \
     totp_step, created_at) VALUES ($1, $2, $3, 1, 1, 0, $4) RETURNING id";
const UPDATE: &str =
    "UPDATE operator SET name = $1, name_key = $2, role = $3, active = $4 WHERE id = $5";
const DELETE: &str = "DELETE FROM operator WHERE id = $1";
const INSERT_LIST: &str = "INSERT INTO operator_list (operator_id, list_id) VALUES ($1, $2)";
const DELETE_LISTS: &str = "DELETE FROM operator_list WHERE operator_id = $1";
const SET_PASSWORD: &str = "UPDATE operator SET password_hash = $1, \
     credential_version = credential_version + 1 WHERE id = $2";
const FORGET_PASSWORD: &str = "UPDATE operator SET password_hash = NULL, totp_key = NULL, \
     credential_version = credential_version + 1 WHERE id = $1";
const SET_TOTP: &str = "UPDATE operator SET totp_key = $1, totp_step = 0 WHERE id = $2";
const USE_STEP: &str = "UPDATE operator SET totp_step = $1 WHERE id = $2 AND totp_step < $1";
const COUNT_OTHERS: &str =
    "SELECT COUNT(*) AS others FROM operator WHERE role = 0 AND active = 1 AND id <> $1";

const SELECT: &str = "SELECT operator.*, (SELECT GROUP_CONCAT(list_id) FROM operator_list \
     WHERE operator_id = operator.id) AS lists FROM operator";
const SELECT_ALL: &str = "SELECT operator.*, (SELECT GROUP_CONCAT(list_id) FROM operator_list \
     WHERE operator_id = operator.id) AS lists FROM operator ORDER BY name_key";
const SELECT_ONE: &str = "SELECT operator.*, (SELECT GROUP_CONCAT(list_id) FROM operator_list \
     WHERE operator_id = operator.id) AS lists FROM operator WHERE id = $1";
const SELECT_BY_NAME: &str = "SELECT operator.*, (SELECT GROUP_CONCAT(list_id) FROM operator_list \
     WHERE operator_id = operator.id) AS lists FROM operator WHERE name_key = $1";
const SELECT_BY_LINK: &str = "SELECT operator.*, (SELECT GROUP_CONCAT(list_id) FROM operator_list \
     WHERE operator_id = operator.id) AS lists FROM operator JOIN operator_link \
     ON operator_link.operator_id = operator.id \
     WHERE operator_link.digest = $1 AND expires_at > $2 AND active = 1";

const REPLACE_LINK: &str = "INSERT INTO operator_link (operator_id, digest, expires_at) \
     VALUES ($1, $2, $3) ON CONFLICT (operator_id) DO UPDATE SET digest = excluded.digest, \
     expires_at = excluded.expires_at";
const DELETE_LINK: &str = "DELETE FROM operator_link WHERE operator_id = $1";
const USE_LINK: &str =
    "DELETE FROM operator_link WHERE operator_id = $1 AND digest = $2 AND expires_at > $3";
const PURGE_LINKS: &str = "DELETE FROM operator_link WHERE expires_at <= $1";

const INSERT_SESSION: &str = "INSERT INTO operator_session (digest, operator_id, began_at, seen_at) \
     VALUES ($1, $2, $3, $3)";
const NOTE_SIGN_IN: &str = "UPDATE operator SET signed_in_at = $1 WHERE id = $2";
const SELECT_SESSION: &str = "SELECT operator.*, operator_session.began_at, \
     operator_session.seen_at, (SELECT GROUP_CONCAT(list_id) FROM operator_list \
     WHERE operator_id = operator.id) AS lists FROM operator_session JOIN operator \
     ON operator.id = operator_session.operator_id \
     WHERE operator_session.digest = $1 AND active = 1";
const SEE_SESSION: &str = "UPDATE operator_session SET seen_at = $1 WHERE digest = $2";
const DELETE_SESSION: &str = "DELETE FROM operator_session WHERE digest = $1";
const DELETE_SESSIONS: &str = "DELETE FROM operator_session WHERE operator_id = $1";
const PURGE_SESSIONS: &str = "DELETE FROM operator_session WHERE began_at <= $1 OR seen_at <= $2";

/// A change of operators, sessions or links.
pub(super) enum OperatorWork {
    /// Answers with the id.
    Create(NewOperator),
    Update(Operator),
    Delete(i64),
    /// Ends all sessions and the link.
    SetPassword(i64, Secret<String>),
    /// The password, the codes, all sessions: until its next link nobody signs in.
    Reset(i64),
    SetTotp(i64, Option<TotpKey>),
    /// Answers with 1 when the step is newer than every used one.
    UseStep(i64, i64),
    Link(i64, Digest, Timestamp),
    /// Answers with 1 when the link held; it does no more.
    UseLink(i64, Digest, Timestamp, Secret<String>),
    Begin(Session),
    See(Digest, Timestamp),
    End(Digest),
    EndAll(i64),
    /// Links that end before the first, sessions begun before the second or unused since the third.
    Purge(Timestamp, Timestamp, Timestamp),
}

impl OperatorWork {
    /// Makes the change; answers with an id, a count, or 0.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        match self {
            Self::Create(new) => create(connection, new).await,
            Self::Update(operator) => update(connection, operator).await,
            Self::Delete(id) => {
                another_remains(connection, *id).await?;
                must(connection, sql::query(DELETE).bind(*id), *id).await
            }
            Self::SetPassword(id, hash) => set_password(connection, *id, hash).await,
            Self::Reset(id) => {
                must(connection, sql::query(FORGET_PASSWORD).bind(*id), *id).await?;
                end_all(connection, *id).await
            }
            Self::SetTotp(id, key) => {
                let key = key.as_ref().map(|key| key.expose().to_owned());
                must(connection, sql::query(SET_TOTP).bind(key).bind(*id), *id).await
            }
            Self::UseStep(id, step) => {
                execute(connection, sql::query(USE_STEP).bind(*step).bind(*id)).await
            }
            Self::Link(id, digest, until) => {
                let link = sql::query(REPLACE_LINK)
                    .bind(*id)
                    .bind(digest.octets().to_vec())
                    .bind(until.as_millis());
                execute(connection, link).await
            }
            Self::UseLink(id, digest, now, hash) => {
                let link = sql::query(USE_LINK)
                    .bind(*id)
                    .bind(digest.octets().to_vec())
                    .bind(now.as_millis());
                match execute(connection, link).await? {
                    0 => Ok(0),
                    _ => set_password(connection, *id, hash).await.map(|_| 1),
                }
            }
            Self::Begin(session) => begin(connection, session).await,
            Self::See(digest, now) => {
                let seen = sql::query(SEE_SESSION).bind(now.as_millis());
                execute(connection, seen.bind(digest.octets().to_vec())).await
            }
            Self::End(digest) => {
                let session = sql::query(DELETE_SESSION).bind(digest.octets().to_vec());
                execute(connection, session).await
            }
            Self::EndAll(id) => end_all(connection, *id).await,
            Self::Purge(links, began, seen) => {
                execute(connection, sql::query(PURGE_LINKS).bind(links.as_millis())).await?;
                let sessions = sql::query(PURGE_SESSIONS).bind(began.as_millis());
                execute(connection, sessions.bind(seen.as_millis())).await
            }
        }
    }
}

async fn create(connection: &mut Connection, new: &NewOperator) -> Result<i64, StoreError> {
    let statement = sql::query(INSERT)
        .bind(new.name.clone())
        .bind(name_key(&new.name))
        .bind(role_code(new.role))
        .bind(Timestamp::now().as_millis());
    let id = insert(connection, statement, || named(&new.name)).await?;
    set_lists(connection, id, new.role, &new.lists).await?;
    Ok(id)
}

async fn update(connection: &mut Connection, changed: &Operator) -> Result<i64, StoreError> {
    let id = changed.id;
    if changed.role != Role::Operator || !changed.active {
        another_remains(connection, id).await?;
    }
    let statement = sql::query(UPDATE)
        .bind(changed.name.clone())
        .bind(name_key(&changed.name))
        .bind(role_code(changed.role))
        .bind(changed.active)
        .bind(id);
    let done = statement.execute(&mut *connection).await;
    let done =
        done.map_err(|error| super::accounts::edit_failed(error, &|| named(&changed.name)))?;
    if done.rows_affected() == 0 {
        return Err(unknown(id));
    }
    set_lists(connection, id, changed.role, &changed.lists).await?;
    if !changed.active {
        end_all(connection, id).await?;
    }
    Ok(0)
}

/// Somebody must be able to let others in again.
async fn another_remains(connection: &mut Connection, id: i64) -> Result<(), StoreError> {
    let row = sql::query(COUNT_OTHERS)
        .bind(id)
        .fetch_one(&mut *connection);
    let row = row.await.map_err(failed)?;
    match rows::get::<i64>(&row, "others")? {
        0 => Err(StoreError::LastOperator),
        _ => Ok(()),
    }
}

async fn set_lists(
    connection: &mut Connection,
    id: i64,
    role: Role,
    lists: &[i64],
) -> Result<(), StoreError> {
    execute(connection, sql::query(DELETE_LISTS).bind(id)).await?;
    if role == Role::ListManager {
        for list in lists {
            execute(connection, sql::query(INSERT_LIST).bind(id).bind(*list)).await?;
        }
    }
    Ok(())
}

async fn set_password(
    connection: &mut Connection,
    id: i64,
    hash: &Secret<String>,
) -> Result<i64, StoreError> {
    let statement = sql::query(SET_PASSWORD)
        .bind(hash.expose().clone())
        .bind(id);
    must(connection, statement, id).await?;
    execute(connection, sql::query(DELETE_LINK).bind(id)).await?;
    end_all(connection, id).await
}

async fn begin(connection: &mut Connection, session: &Session) -> Result<i64, StoreError> {
    let statement = sql::query(INSERT_SESSION)
        .bind(session.digest.octets().to_vec())
        .bind(session.operator_id)
        .bind(session.began_at.as_millis());
    execute(connection, statement).await?;
    let noted = sql::query(NOTE_SIGN_IN).bind(session.began_at.as_millis());
    execute(connection, noted.bind(session.operator_id)).await
}

async fn end_all(connection: &mut Connection, id: i64) -> Result<i64, StoreError> {
    execute(connection, sql::query(DELETE_SESSIONS).bind(id)).await
}

/// Executes; answers with how many rows it concerned.
async fn execute(connection: &mut Connection, statement: Statement) -> Result<i64, StoreError> {
    let done = statement.execute(connection).await.map_err(failed)?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// Executes a change of one operator, who must be there.
async fn must(
    connection: &mut Connection,
    statement: Statement,
    id: i64,
) -> Result<i64, StoreError> {
    match execute(connection, statement).await? {
        0 => Err(unknown(id)),
        _ => Ok(0),
    }
}

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::writing("change an operator", error)
}

fn unknown(id: i64) -> StoreError {
    let what = format!("operator number {id}");
    StoreError::NotFound { what }
}

fn named(name: &str) -> String {
    format!("operator named `{name}`")
}

const fn role_code(role: Role) -> i64 {
    match role {
        Role::Operator => 0,
        Role::ListManager => 1,
    }
}

/// Operators, their sessions and their links.
impl Store {
    /// All operators, by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        let found = sql::query(SELECT_ALL).fetch_all(&self.shared.readers).await;
        let found = found.map_err(|error| StoreError::reading("the operators", error))?;
        found.iter().map(from_row).collect()
    }

    /// Whether there is any operator.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn has_operators(&self) -> Result<bool, StoreError> {
        Ok(one(&self.shared.readers, sql::query(SELECT))
            .await?
            .is_some())
    }

    /// One operator.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn operator(&self, id: i64) -> Result<Option<Operator>, StoreError> {
        let row = one(&self.shared.readers, sql::query(SELECT_ONE).bind(id)).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// One operator, by name without regard to case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn operator_by_name(&self, name: &str) -> Result<Option<Operator>, StoreError> {
        let query = sql::query(SELECT_BY_NAME).bind(name_key(name));
        let row = one(&self.shared.readers, query).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Makes an operator without a password: a link lets it choose one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of that name exists.
    pub async fn create_operator(&self, new: NewOperator) -> Result<Operator, StoreError> {
        let id = self.write_operator(OperatorWork::Create(new)).await?;
        self.operator(id).await?.ok_or_else(|| unknown(id))
    }

    /// Changes name, role, lists and whether it may sign in; one that may not is signed out.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::NotFound`], [`StoreError::LastOperator`].
    pub async fn update_operator(&self, operator: &Operator) -> Result<(), StoreError> {
        let work = OperatorWork::Update(operator.clone());
        self.write_operator(work).await.map(drop)
    }

    /// Deletes an operator with its sessions and links.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::LastOperator`].
    pub async fn delete_operator(&self, id: i64) -> Result<(), StoreError> {
        self.write_operator(OperatorWork::Delete(id))
            .await
            .map(drop)
    }

    /// Replaces the password and ends every session and link of the operator.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_operator_password(
        &self,
        id: i64,
        hash: Secret<String>,
    ) -> Result<(), StoreError> {
        let work = OperatorWork::SetPassword(id, hash);
        self.write_operator(work).await.map(drop)
    }

    /// Forgets the password and the one-time codes, and ends every session.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn reset_operator(&self, id: i64) -> Result<(), StoreError> {
        self.write_operator(OperatorWork::Reset(id)).await.map(drop)
    }

    /// Turns one-time codes on with this key, or off.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_operator_totp(&self, id: i64, key: Option<TotpKey>) -> Result<(), StoreError> {
        let work = OperatorWork::SetTotp(id, key);
        self.write_operator(work).await.map(drop)
    }

    /// Uses up a step of one-time codes: false when it, or a later one, was used before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn use_totp_step(&self, id: i64, step: i64) -> Result<bool, StoreError> {
        let used = self.write_operator(OperatorWork::UseStep(id, step)).await?;
        Ok(used > 0)
    }

    /// Makes this the one link of the operator.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn create_operator_link(
        &self,
        id: i64,
        digest: Digest,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let work = OperatorWork::Link(id, digest, self.shared_time(expires_at));
        self.write_operator(work).await.map(drop)
    }

    /// Whose link it is, while it holds at `now` and its operator may sign in.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn operator_of_link(
        &self,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Option<Operator>, StoreError> {
        let query = sql::query(SELECT_BY_LINK)
            .bind(digest.octets().to_vec())
            .bind(self.shared_time(now).as_millis());
        let row = one(&self.shared.readers, query).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Uses a link up to set a password; false when it does not hold, or not any more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn use_operator_link(
        &self,
        id: i64,
        digest: Digest,
        now: Timestamp,
        hash: Secret<String>,
    ) -> Result<bool, StoreError> {
        let work = OperatorWork::UseLink(id, digest, self.shared_time(now), hash);
        Ok(self.write_operator(work).await? > 0)
    }

    /// Keeps a new session.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin_session(&self, session: Session) -> Result<(), StoreError> {
        let work = OperatorWork::Begin(Session {
            began_at: self.shared_time(session.began_at),
            seen_at: self.shared_time(session.seen_at),
            ..session
        });
        self.write_operator(work).await.map(drop)
    }

    /// The session of this token with its operator, who may sign in.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn session(&self, digest: Digest) -> Result<Option<(Session, Operator)>, StoreError> {
        let query = sql::query(SELECT_SESSION).bind(digest.octets().to_vec());
        let Some(row) = one(&self.shared.readers, query).await? else {
            return Ok(None);
        };
        let operator = from_row(&row)?;
        let membership = &self.shared.membership;
        let session = Session {
            digest,
            operator_id: operator.id,
            began_at: membership.by_own_clock(rows::get(&row, "began_at")?),
            seen_at: membership.by_own_clock(rows::get(&row, "seen_at")?),
        };
        Ok(Some((session, operator)))
    }

    /// Notes that a session is in use.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn see_session(&self, digest: Digest, now: Timestamp) -> Result<(), StoreError> {
        let work = OperatorWork::See(digest, self.shared_time(now));
        self.write_operator(work).await.map(drop)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_session(&self, digest: Digest) -> Result<(), StoreError> {
        self.write_operator(OperatorWork::End(digest))
            .await
            .map(drop)
    }

    /// Ends every session of an operator.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_sessions(&self, operator_id: i64) -> Result<(), StoreError> {
        let work = OperatorWork::EndAll(operator_id);
        self.write_operator(work).await.map(drop)
    }

    /// Deletes links that ended by `now`, and sessions begun by `began` or unused since `seen`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge_sessions(
        &self,
        now: Timestamp,
        began: Timestamp,
        seen: Timestamp,
    ) -> Result<(), StoreError> {
        let [now, began, seen] = [now, began, seen].map(|at| self.shared_time(at));
        let work = OperatorWork::Purge(now, began, seen);
        self.write_operator(work).await.map(drop)
    }

    /// A time of this machine as it is kept: by the database's clock, for another node may ask.
    fn shared_time(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_millis(self.shared.membership.in_database(at))
    }

    async fn write_operator(&self, work: OperatorWork) -> Result<i64, StoreError> {
        self.write(Work::Operator(work)).await
    }
}

async fn one(readers: &Pool, query: Statement) -> Result<Option<Row>, StoreError> {
    query
        .fetch_optional(readers)
        .await
        .map_err(|error| StoreError::reading("the operators", error))
}

fn from_row(row: &Row) -> Result<Operator, StoreError> {
    let lists: Option<String> = rows::get(row, "lists")?;
    let totp: Option<String> = rows::get(row, "totp_key")?;
    Ok(Operator {
        id: rows::get(row, "id")?,
        name: rows::get(row, "name")?,
        role: match rows::get::<i64>(row, "role")? {
            0 => Role::Operator,
            _ => Role::ListManager,
        },
        lists: numbers(lists.as_deref().unwrap_or_default())?,
        active: rows::get(row, "active")?,
        password_hash: rows::get::<Option<String>>(row, "password_hash")?.map(Secret::new),
        credential_version: rows::get(row, "credential_version")?,
        totp: totp.map(totp_key).transpose()?,
        created_at: Timestamp::from_millis(rows::get(row, "created_at")?),
        signed_in_at: rows::get::<Option<i64>>(row, "signed_in_at")?.map(Timestamp::from_millis),
    })
}

/// A key that is none must not mean that no code is asked for.
fn totp_key(base32: String) -> Result<TotpKey, StoreError> {
    TotpKey::parse(&base32).ok_or_else(|| StoreError::Damaged {
        what: "key of one-time codes",
        value: "(not base 32)".to_owned(),
    })
}

pub(super) fn numbers(text: &str) -> Result<Vec<i64>, StoreError> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    let parsed: Result<Vec<i64>, _> = parts.map(str::parse).collect();
    parsed.map_err(|_| StoreError::Damaged {
        what: "list of a list manager",
        value: text.to_owned(),
    })
}
