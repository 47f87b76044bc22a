//! Tokens of the API, and what was answered to requests that may come again.

use super::jobs::Work;
use super::sql::{self, Connection, Row};
use super::{Store, StoreError, operators, rows};
use crate::clock::Timestamp;
use crate::operators::{ApiToken, Digest, NewApiToken, Operator, Scope};

const INSERT: &str = "INSERT INTO api_token (digest, operator_id, name, scopes, narrowed, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
const INSERT_LIST: &str = "INSERT INTO api_token_list (token_id, list_id) VALUES ($1, $2)";
const DELETE: &str = "DELETE FROM api_token WHERE id = $1";
const USE: &str = "UPDATE api_token SET used_at = $1 WHERE id = $2";
const BEGIN: &str = "INSERT INTO api_request (token_id, idempotency_key, digest, begun_at) \
     VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const END: &str = "UPDATE api_request SET status = $1, body = $2 \
     WHERE token_id = $3 AND idempotency_key = $4";
const FORGET: &str = "DELETE FROM api_request WHERE token_id = $1 AND idempotency_key = $2";
const PURGE: &str = "DELETE FROM api_request WHERE begun_at <= $1";
const SELECT_REQUEST: &str = "SELECT digest, status, body FROM api_request \
     WHERE token_id = $1 AND idempotency_key = $2";

const SELECT_ALL: &str = "SELECT *, (SELECT GROUP_CONCAT(list_id) FROM api_token_list \
     WHERE token_id = api_token.id) AS lists FROM api_token \
     WHERE $1 IS NULL OR operator_id = $1 ORDER BY id";
const SELECT_ONE: &str = "SELECT *, (SELECT GROUP_CONCAT(list_id) FROM api_token_list \
     WHERE token_id = api_token.id) AS lists FROM api_token WHERE id = $1";
const SELECT_BY_DIGEST: &str = "SELECT *, (SELECT GROUP_CONCAT(list_id) FROM api_token_list \
     WHERE token_id = api_token.id) AS lists FROM api_token WHERE digest = $1";

/// A change of tokens or of what was answered.
pub(super) enum TokenWork {
    /// Answers with the id.
    Create(NewApiToken),
    /// Answers with 1 when there was one.
    Delete(i64),
    Use(i64, Timestamp),
    /// Answers with 1 when nobody has begun it before.
    Begin(RequestKey, Digest, Timestamp),
    End(RequestKey, u16, String),
    Forget(RequestKey),
    Purge(Timestamp),
}

/// What tells a request that may come again from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The token it was made with.
    pub token: i64,
    /// The value of its Idempotency-Key.
    pub key: String,
}

/// A request that came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierRequest {
    /// Of what was asked.
    pub digest: Digest,
    /// Status and body of the answer; none while it is under way, and when it was never answered.
    pub answer: Option<(u16, String)>,
}

impl TokenWork {
    /// Makes the change; answers with an id or a count.
    pub(super) async fn apply(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let query = match self {
            Self::Create(new) => return create(connection, new).await,
            Self::Delete(id) => sql::query(DELETE).bind(*id),
            Self::Use(id, at) => sql::query(USE).bind(at.as_millis()).bind(*id),
            Self::Begin(key, digest, at) => sql::query(BEGIN)
                .bind(key.token)
                .bind(key.key.clone())
                .bind(digest.octets().to_vec())
                .bind(at.as_millis()),
            Self::End(key, status, body) => sql::query(END)
                .bind(i64::from(*status))
                .bind(body.clone())
                .bind(key.token)
                .bind(key.key.clone()),
            Self::Forget(key) => sql::query(FORGET).bind(key.token).bind(key.key.clone()),
            Self::Purge(before) => sql::query(PURGE).bind(before.as_millis()),
        };
        let done = query.execute(connection).await;
        let done = done.map_err(|error| StoreError::writing("change a token", error))?;
        Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
    }
}

async fn create(connection: &mut Connection, new: &NewApiToken) -> Result<i64, StoreError> {
    let failed = |error| StoreError::writing("make a token", error);
    let scopes: i64 = new.scopes.iter().map(|scope| scope.bit()).sum();
    let inserted = sql::query(INSERT)
        .bind(new.digest.octets().to_vec())
        .bind(new.owner)
        .bind(new.name.clone())
        .bind(scopes)
        .bind(i64::from(new.lists.is_some()))
        .bind(Timestamp::now().as_millis())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let id = rows::get(&inserted, "id")?;
    for list in new.lists.iter().flatten() {
        let row = sql::query(INSERT_LIST).bind(id).bind(*list);
        row.execute(&mut *connection).await.map_err(failed)?;
    }
    Ok(id)
}

/// Tokens of the API.
impl Store {
    /// All tokens, or those of one operator, in the order they were made.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn api_tokens(&self, owner: Option<i64>) -> Result<Vec<ApiToken>, StoreError> {
        let query = sql::query(SELECT_ALL).bind(owner);
        let found = query.fetch_all(&self.shared.readers).await;
        let found = found.map_err(|error| StoreError::reading("the tokens", error))?;
        let owners = self.operators().await?;
        let token = |row: &Row| {
            let owner: i64 = rows::get(row, "operator_id")?;
            let owner = owners.iter().find(|one| one.id == owner).cloned();
            owner.map(|owner| self.token_from(row, owner)).transpose()
        };
        let tokens = found.iter().map(token);
        tokens.filter_map(Result::transpose).collect()
    }

    /// The token of this digest, whose owner may sign in.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn api_token(&self, digest: Digest) -> Result<Option<ApiToken>, StoreError> {
        let query = sql::query(SELECT_BY_DIGEST).bind(digest.octets().to_vec());
        let found = query.fetch_optional(&self.shared.readers).await;
        let found = found.map_err(|error| StoreError::reading("a token", error))?;
        let Some(row) = found else {
            return Ok(None);
        };
        let token = self.token_of(&row).await?;
        Ok(token.filter(|token| token.owner.active))
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn create_api_token(&self, new: NewApiToken) -> Result<ApiToken, StoreError> {
        let id = self.write_token(TokenWork::Create(new)).await?;
        let query = sql::query(SELECT_ONE).bind(id);
        let found = query.fetch_one(&self.shared.readers).await;
        let row = found.map_err(|error| StoreError::reading("a token", error))?;
        let made = self.token_of(&row).await?;
        made.ok_or_else(|| StoreError::NotFound {
            what: format!("token number {id}"),
        })
    }

    /// Deletes a token; false when there was none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delete_api_token(&self, id: i64) -> Result<bool, StoreError> {
        Ok(self.write_token(TokenWork::Delete(id)).await? > 0)
    }

    /// Notes that a token is in use.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn use_api_token(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        let at = Timestamp::from_millis(self.shared.membership.in_database(at));
        self.write_token(TokenWork::Use(id, at)).await.map(drop)
    }

    /// Begins a request that may come again: none when this is the first time, and the one before otherwise.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn begin_request(
        &self,
        key: &RequestKey,
        digest: Digest,
    ) -> Result<Option<EarlierRequest>, StoreError> {
        let work = TokenWork::Begin(key.clone(), digest, Timestamp::now());
        if self.write_token(work).await? > 0 {
            return Ok(None);
        }
        let query = sql::query(SELECT_REQUEST)
            .bind(key.token)
            .bind(key.key.clone());
        let found = query.fetch_one(&self.shared.readers).await;
        let row = found.map_err(|error| StoreError::reading("a request", error))?;
        let octets: Vec<u8> = rows::get(&row, "digest")?;
        let status: Option<i64> = rows::get(&row, "status")?;
        let body: Option<String> = rows::get(&row, "body")?;
        let status = status.and_then(|status| u16::try_from(status).ok());
        Ok(Some(EarlierRequest {
            digest: Digest::from_octets(&octets).ok_or(StoreError::Damaged {
                what: "digest of a request",
                value: "(not 32 octets)".to_owned(),
            })?,
            answer: status.zip(body),
        }))
    }

    /// Keeps what a request was answered.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end_request(
        &self,
        key: RequestKey,
        status: u16,
        body: String,
    ) -> Result<(), StoreError> {
        let work = TokenWork::End(key, status, body);
        self.write_token(work).await.map(drop)
    }

    /// Forgets a request by which nothing was done, so that it can be made again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_request(&self, key: RequestKey) -> Result<(), StoreError> {
        self.write_token(TokenWork::Forget(key)).await.map(drop)
    }

    /// Forgets requests that began before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn purge_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        self.write_token(TokenWork::Purge(before)).await.map(drop)
    }

    async fn token_of(&self, row: &Row) -> Result<Option<ApiToken>, StoreError> {
        let owner = self.operator(rows::get(row, "operator_id")?).await?;
        owner.map(|owner| self.token_from(row, owner)).transpose()
    }

    fn token_from(&self, row: &Row, owner: Operator) -> Result<ApiToken, StoreError> {
        let bits: i64 = rows::get(row, "scopes")?;
        let is_narrowed: i64 = rows::get(row, "narrowed")?;
        let used_at: Option<i64> = rows::get(row, "used_at")?;
        let lists: Option<String> = rows::get(row, "lists")?;
        let lists = operators::numbers(lists.as_deref().unwrap_or_default())?;
        let narrowed = (is_narrowed != 0).then_some(lists);
        Ok(ApiToken {
            id: rows::get(row, "id")?,
            name: rows::get(row, "name")?,
            owner,
            scopes: Scope::ALL
                .into_iter()
                .filter(|scope| bits & scope.bit() != 0)
                .collect(),
            lists: narrowed,
            created_at: Timestamp::from_millis(rows::get(row, "created_at")?),
            used_at: used_at.map(|at| self.shared.membership.by_own_clock(at)),
        })
    }

    async fn write_token(&self, work: TokenWork) -> Result<i64, StoreError> {
        self.write(Work::Token(work)).await
    }
}
