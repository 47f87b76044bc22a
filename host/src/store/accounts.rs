//! Lists and users: edits go through the writer, look-ups through the readers.

use unicode_normalization::UnicodeNormalization;

use super::bulk::Statement;
use super::sql::{self, Connection, Pool, Row};
use super::{StoreError, rows, suspensions};
use crate::accounts::scram::{Basis, SaltKey};
use crate::accounts::{Account, Allowance, List, PolicySettings, User};
use crate::clock::Timestamp;
use crate::queue::Priority;
use crate::secret::Secret;

const INSERT_LIST: &str = "INSERT INTO list (name, name_key, unauthorized, display_importance, \
     last_user, created_at) VALUES ($1, $2, NULL, 1, 0, $3) RETURNING id";
const UPDATE_LIST: &str = "UPDATE list SET name = $1, name_key = $2, unauthorized = $3, \
     display_importance = $4, sender_check = $5, policy_settings = $6, route_name = $7 WHERE id = $8";
const DELETE_LIST: &str = "DELETE FROM list WHERE id = $1";
const DELETE_SUPPRESSIONS: &str = "DELETE FROM suppression WHERE list_id = $1";
const COUNT_USERS: &str = "SELECT COUNT(*) FROM account WHERE list_id = $1";
const COUNT_OPEN_MESSAGES: &str = "SELECT COUNT(*) FROM message WHERE open = 1 AND list_id = $1";
const NEXT_USER: &str =
    "UPDATE list SET last_user = last_user + 1 WHERE id = $1 RETURNING last_user";
const INSERT_USER: &str = "INSERT INTO account (list_id, username, active, priority, note, \
     authorized_domains, authorized_senders, credential_version, password_hash, created_at, scram_verifier, \
     messages_per_hour, messages_per_day, urgent_per_hour, urgent_per_day, policy_settings) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id";
/// A suspension that whoever edits has not seen stays.
const UPDATE_USER: &str = "UPDATE account SET \
     active = CASE WHEN suspended_at IS NOT DISTINCT FROM $1 THEN $2 ELSE active END, \
     priority = $3, note = $4, authorized_domains = $5, authorized_senders = $6, \
     messages_per_hour = $7, messages_per_day = $8, urgent_per_hour = $9, urgent_per_day = $10, \
     policy_settings = $11 WHERE id = $12";
const SET_PASSWORD_HASH: &str = "UPDATE account SET password_hash = $1, scram_verifier = $2, \
     credential_version = credential_version + 1 WHERE id = $3";
const DELETE_USER: &str = "DELETE FROM account WHERE id = $1";

const SELECT_SALT_KEY: &str = "SELECT octets FROM salt_key";
const SETTLE_SCRAM_ITERATIONS: &str =
    "UPDATE salt_key SET iterations = COALESCE(iterations, $1) RETURNING iterations AS id";
const SELECT_GENERATION: &str = "SELECT generation FROM accounts_generation";
const SELECT_LISTS: &str = "SELECT id AS list_id, name AS list_name, \
     unauthorized AS list_unauthorized, sender_check AS list_check, \
     display_importance AS list_display_importance, policy_settings AS list_policy_settings, \
     route_name AS list_route, \
     created_at AS list_created_at FROM list ORDER BY id";
const SELECT_LIST: &str = "SELECT id AS list_id, name AS list_name, \
     unauthorized AS list_unauthorized, sender_check AS list_check, \
     display_importance AS list_display_importance, policy_settings AS list_policy_settings, \
     route_name AS list_route, \
     created_at AS list_created_at FROM list WHERE id = $1";
const SELECT_LIST_BY_NAME: &str = "SELECT id AS list_id, name AS list_name, \
     unauthorized AS list_unauthorized, sender_check AS list_check, \
     display_importance AS list_display_importance, policy_settings AS list_policy_settings, \
     route_name AS list_route, \
     created_at AS list_created_at FROM list WHERE name_key = $1";
const SELECT_USERS: &str = "SELECT * FROM account ORDER BY id";
const SELECT_USERS_OF_LIST: &str = "SELECT * FROM account WHERE list_id = $1 ORDER BY id";
const SELECT_USER: &str = "SELECT * FROM account WHERE id = $1";
const SELECT_USER_BY_NAME: &str = "SELECT * FROM account WHERE username = $1";
const SELECT_ACCOUNT: &str = "SELECT account.*, list.name AS list_name, \
     list.unauthorized AS list_unauthorized, list.sender_check AS list_check, \
     list.display_importance AS list_display_importance, \
     list.policy_settings AS list_policy_settings, list.route_name AS list_route, \
     list.created_at AS list_created_at \
     FROM account JOIN list ON list.id = account.list_id WHERE account.username = $1";

/// What a user is made from; its name is given by the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The list it will belong to.
    pub list_id: i64,
    /// The argon2id hash in PHC form.
    pub password_hash: Secret<String>,
    /// What SCRAM judges proofs by (RFC 5803).
    pub scram_verifier: Option<Secret<String>>,
    /// Its default priority.
    pub priority: Priority,
    /// A note for administrators.
    pub note: String,
    /// False: it may not log in.
    pub active: bool,
    /// Domains it may send as, separated by `;`.
    pub authorized_domains: String,
    /// Addresses it may send as, separated by `;`.
    pub authorized_senders: String,
    /// What it tells the policies.
    pub policy_settings: PolicySettings,
    /// Messages it may send in an hour.
    pub messages_per_hour: Allowance,
    /// Messages it may send in a day.
    pub messages_per_day: Allowance,
    /// Messages of priority 1 it may send in an hour.
    pub urgent_per_hour: Allowance,
    /// Messages of priority 1 it may send in a day.
    pub urgent_per_day: Allowance,
}

/// A change of lists or users.
pub(super) enum Edit {
    /// Answers with the id.
    CreateList(String),
    UpdateList(List),
    DeleteList(i64),
    /// Answers with the id.
    CreateUser(NewUser),
    UpdateUser(User),
    DeleteUser(i64),
    SetPasswordHash(i64, Secret<String>, Option<Secret<String>>),
    /// Answers with those that hold: the first ever wanted.
    SettleScramIterations(u32),
}

impl Edit {
    /// Makes the change; answers with the id of what was made, or 0.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        match self {
            Self::CreateList(name) => create_list(connection, name).await,
            Self::UpdateList(list) => update_list(connection, list).await,
            Self::DeleteList(id) => delete_list(connection, *id).await,
            Self::CreateUser(user) => create_user(connection, user).await,
            Self::UpdateUser(user) => update_user(connection, user).await,
            Self::DeleteUser(id) => {
                let statement = sql::query(DELETE_USER).bind(*id);
                change(connection, statement, || user_number(*id)).await
            }
            Self::SetPasswordHash(id, hash, scram) => {
                let statement = sql::query(SET_PASSWORD_HASH)
                    .bind(hash.expose().as_str())
                    .bind(scram.as_ref().map(|verifier| verifier.expose().as_str()))
                    .bind(*id);
                change(connection, statement, || user_number(*id)).await
            }
            Self::SettleScramIterations(wanted) => {
                let statement = sql::query(SETTLE_SCRAM_ITERATIONS).bind(i64::from(*wanted));
                insert(connection, statement, || "salt key".to_owned()).await
            }
        }
    }
}

async fn create_list(connection: &mut Connection, name: &str) -> Result<i64, StoreError> {
    let name = name.trim();
    let statement = sql::query(INSERT_LIST)
        .bind(name)
        .bind(name_key(name))
        .bind(Timestamp::now().as_millis());
    insert(connection, statement, || list_named(name)).await
}

async fn update_list(connection: &mut Connection, list: &List) -> Result<i64, StoreError> {
    let name = list.name.trim();
    let statement = sql::query(UPDATE_LIST)
        .bind(name)
        .bind(name_key(name))
        .bind(list.unauthorized.map(rows::unauthorized_code))
        .bind(list.display_importance)
        .bind(&list.check)
        .bind(list.policy_settings.document())
        .bind(&list.route)
        .bind(list.id);
    change(connection, statement, || list_named(name)).await
}

async fn delete_list(connection: &mut Connection, id: i64) -> Result<i64, StoreError> {
    for (sql, holder) in [
        (COUNT_USERS, "user"),
        (COUNT_OPEN_MESSAGES, "queued message"),
    ] {
        let count = number(connection, sql::query(sql).bind(id)).await?;
        if count.is_some_and(|count| count > 0) {
            return Err(StoreError::InUse {
                what: list_number(id),
                holder: plural(count.unwrap_or(0), holder),
            });
        }
    }
    sql::query(DELETE_SUPPRESSIONS)
        .bind(id)
        .execute(&mut *connection)
        .await
        .map_err(|error| StoreError::writing("forget a suppression list", error))?;
    let statement = sql::query(DELETE_LIST).bind(id);
    change(connection, statement, || list_number(id)).await
}

async fn create_user(connection: &mut Connection, user: &NewUser) -> Result<i64, StoreError> {
    let next = sql::query(NEXT_USER).bind(user.list_id);
    let place = number(connection, next)
        .await?
        .ok_or_else(|| StoreError::NotFound {
            what: list_number(user.list_id),
        })?;
    let username = format!("s{}_{place}", user.list_id);
    let scram_verifier = user
        .scram_verifier
        .as_ref()
        .map(|one| one.expose().as_str());
    let statement = sql::query(INSERT_USER)
        .bind(user.list_id)
        .bind(username.as_str())
        .bind(user.active)
        .bind(i64::from(user.priority.number()))
        .bind(user.note.as_str())
        .bind(user.authorized_domains.as_str())
        .bind(user.authorized_senders.as_str())
        .bind(user.password_hash.expose().as_str())
        .bind(Timestamp::now().as_millis())
        .bind(scram_verifier)
        .bind(rows::allowance_code(user.messages_per_hour))
        .bind(rows::allowance_code(user.messages_per_day))
        .bind(rows::allowance_code(user.urgent_per_hour))
        .bind(rows::allowance_code(user.urgent_per_day))
        .bind(user.policy_settings.document());
    insert(connection, statement, || format!("user `{username}`")).await
}

async fn update_user(connection: &mut Connection, user: &User) -> Result<i64, StoreError> {
    let suspended_at = user.suspension.as_ref().map(|one| one.at.as_millis());
    let statement = sql::query(UPDATE_USER)
        .bind(suspended_at)
        .bind(user.active)
        .bind(i64::from(user.priority.number()))
        .bind(user.note.as_str())
        .bind(user.authorized_domains.as_str())
        .bind(user.authorized_senders.as_str())
        .bind(rows::allowance_code(user.messages_per_hour))
        .bind(rows::allowance_code(user.messages_per_day))
        .bind(rows::allowance_code(user.urgent_per_hour))
        .bind(rows::allowance_code(user.urgent_per_day))
        .bind(user.policy_settings.document())
        .bind(user.id);
    change(connection, statement, || user_number(user.id)).await?;
    suspensions::lift(connection, user.id, Timestamp::now()).await?;
    Ok(0)
}

/// Executes an insert that returns the new id.
pub(super) async fn insert(
    connection: &mut Connection,
    statement: Statement,
    what: impl Fn() -> String,
) -> Result<i64, StoreError> {
    let row = statement
        .fetch_one(connection)
        .await
        .map_err(|error| edit_failed(error, &what))?;
    rows::get(&row, "id")
}

/// Executes a change of exactly one row.
async fn change(
    connection: &mut Connection,
    statement: Statement,
    what: impl Fn() -> String,
) -> Result<i64, StoreError> {
    let done = statement
        .execute(connection)
        .await
        .map_err(|error| edit_failed(error, &what))?;
    match done.rows_affected() {
        0 => Err(StoreError::NotFound { what: what() }),
        _ => Ok(0),
    }
}

async fn number(
    connection: &mut Connection,
    statement: Statement,
) -> Result<Option<i64>, StoreError> {
    let failed = |error| StoreError::writing("change an account", error);
    let row = statement.fetch_optional(connection).await.map_err(failed)?;
    row.map(|row| row.try_get(0)).transpose().map_err(failed)
}

pub(super) fn edit_failed(error: sqlx::Error, what: &impl Fn() -> String) -> StoreError {
    let duplicate = error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if duplicate {
        StoreError::Conflict { what: what() }
    } else {
        StoreError::writing("change an account", error)
    }
}

/// Names are compared without regard to case and to how their accents are composed.
pub(super) fn name_key(name: &str) -> String {
    name.trim().nfc().collect::<String>().to_lowercase()
}

fn list_named(name: &str) -> String {
    format!("list named `{name}`")
}

fn list_number(id: i64) -> String {
    format!("list number {id}")
}

fn user_number(id: i64) -> String {
    format!("user number {id}")
}

fn plural(count: i64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// How often lists and accounts have changed.
pub(super) async fn generation(readers: &Pool) -> Result<i64, StoreError> {
    let row = one(readers, sql::query(SELECT_GENERATION)).await?;
    row.map_or(Ok(0), |row| rows::get(&row, "generation"))
}

/// The key as it is stored, and the iterations.
pub(super) async fn scram_basis(readers: &Pool, iterations: i64) -> Result<Basis, StoreError> {
    let iterations = u32::try_from(iterations).map_err(|_| StoreError::Damaged {
        what: "number of SCRAM iterations",
        value: iterations.to_string(),
    })?;
    let key = salt_key(readers).await?;
    Ok(Basis { key, iterations })
}

async fn salt_key(readers: &Pool) -> Result<SaltKey, StoreError> {
    let damaged = || StoreError::Damaged {
        what: "salt key",
        value: "(not 32 octets)".to_owned(),
    };
    let row = one(readers, sql::query(SELECT_SALT_KEY)).await?;
    let octets: Vec<u8> = rows::get(&row.ok_or_else(damaged)?, "octets")?;
    octets.try_into().map(Secret::new).map_err(|_| damaged())
}

/// All lists, in the order they were made.
pub(super) async fn lists(readers: &Pool) -> Result<Vec<List>, StoreError> {
    many(readers, sql::query(SELECT_LISTS), rows::list).await
}

/// One list.
pub(super) async fn list(readers: &Pool, id: i64) -> Result<Option<List>, StoreError> {
    let row = one(readers, sql::query(SELECT_LIST).bind(id)).await?;
    row.as_ref().map(rows::list).transpose()
}

/// One list, by name without regard to case.
pub(super) async fn list_by_name(readers: &Pool, name: &str) -> Result<Option<List>, StoreError> {
    let row = one(
        readers,
        sql::query(SELECT_LIST_BY_NAME).bind(name_key(name)),
    )
    .await?;
    row.as_ref().map(rows::list).transpose()
}

/// All users, or those of one list.
pub(super) async fn users(readers: &Pool, list: Option<i64>) -> Result<Vec<User>, StoreError> {
    let query = match list {
        Some(list) => sql::query(SELECT_USERS_OF_LIST).bind(list),
        None => sql::query(SELECT_USERS),
    };
    many(readers, query, rows::user).await
}

/// One user.
pub(super) async fn user(readers: &Pool, id: i64) -> Result<Option<User>, StoreError> {
    let row = one(readers, sql::query(SELECT_USER).bind(id)).await?;
    row.as_ref().map(rows::user).transpose()
}

/// One user, by name without regard to case.
pub(super) async fn user_by_name(
    readers: &Pool,
    username: &str,
) -> Result<Option<User>, StoreError> {
    let query = sql::query(SELECT_USER_BY_NAME).bind(username.to_ascii_lowercase());
    let row = one(readers, query).await?;
    row.as_ref().map(rows::user).transpose()
}

/// One user with its list, by name without regard to case.
pub(super) async fn account(readers: &Pool, username: &str) -> Result<Option<Account>, StoreError> {
    let query = sql::query(SELECT_ACCOUNT).bind(username.to_ascii_lowercase());
    let row = one(readers, query).await?;
    row.as_ref().map(rows::account).transpose()
}

async fn one(readers: &Pool, query: Statement) -> Result<Option<Row>, StoreError> {
    query
        .fetch_optional(readers)
        .await
        .map_err(|error| StoreError::reading("the accounts", error))
}

async fn many<T>(
    readers: &Pool,
    query: Statement,
    parse: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let found = query
        .fetch_all(readers)
        .await
        .map_err(|error| StoreError::reading("the accounts", error))?;
    found.iter().map(parse).collect()
}
