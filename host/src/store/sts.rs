//! MTA-STS policies of other domains (RFC 8461), kept as long as they hold.

use super::jobs::Work;
use super::sql::{self, Connection, Pool, Row};
use super::upkeep::PURGE_STEP;
use super::{Store, StoreError};
use crate::clock::Timestamp;

const REPLACE: &str = "INSERT INTO mta_sts_policy (domain, id, policy, fetched_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (domain) DO UPDATE SET id = excluded.id, \
     policy = excluded.policy, fetched_at = excluded.fetched_at, expires_at = excluded.expires_at";
const SELECT: &str = "SELECT * FROM mta_sts_policy WHERE domain = $1 AND expires_at > $2";
const DELETE_EXPIRED: &str = "DELETE FROM mta_sts_policy WHERE domain IN \
     (SELECT domain FROM mta_sts_policy WHERE expires_at <= $1 LIMIT $2)";

/// What a domain promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StsPolicy {
    /// The domain in A-label form.
    pub domain: String,
    /// The id that its TXT record had.
    pub id: String,
    /// The policy as it was fetched.
    pub text: String,
    /// When that was.
    pub fetched_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

impl Store {
    /// What a domain promised that still holds at `now`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn sts_policy(
        &self,
        domain: &str,
        now: Timestamp,
    ) -> Result<Option<StsPolicy>, StoreError> {
        select(&self.shared.readers, domain, now)
            .await
            .map_err(|error| StoreError::reading("an MTA-STS policy", error))
    }

    /// Keeps what a domain promises, in place of what it promised before.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn keep_sts_policy(&self, policy: StsPolicy) -> Result<(), StoreError> {
        self.write(Work::KeepStsPolicy(policy)).await.map(drop)
    }
}

async fn select(
    readers: &Pool,
    domain: &str,
    now: Timestamp,
) -> Result<Option<StsPolicy>, sqlx::Error> {
    let query = sql::query(SELECT).bind(domain).bind(now.as_millis());
    let found = query.fetch_optional(readers).await?;
    found.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<StsPolicy, sqlx::Error> {
    Ok(StsPolicy {
        domain: row.try_get("domain")?,
        id: row.try_get("id")?,
        text: row.try_get("policy")?,
        fetched_at: Timestamp::from_millis(row.try_get("fetched_at")?),
        expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
    })
}

pub(super) async fn keep(
    connection: &mut Connection,
    policy: &StsPolicy,
) -> Result<i64, StoreError> {
    sql::query(REPLACE)
        .bind(&policy.domain)
        .bind(&policy.id)
        .bind(&policy.text)
        .bind(policy.fetched_at.as_millis())
        .bind(policy.expires_at.as_millis())
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("keep an MTA-STS policy", error))?;
    Ok(0)
}

/// Deletes up to [`PURGE_STEP`] that do not hold any more; answers with how many.
pub(super) async fn purge(connection: &mut Connection, now: Timestamp) -> Result<i64, StoreError> {
    let done = sql::query(DELETE_EXPIRED)
        .bind(now.as_millis())
        .bind(PURGE_STEP)
        .execute(connection)
        .await
        .map_err(|error| StoreError::writing("purge MTA-STS policies", error))?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}
