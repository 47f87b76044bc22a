//! Makes a user inactive because of what it does, and takes that back.

use super::sql::{self, Connection};
use super::{StoreError, alerts, sent};
use crate::accounts::Suspension;
use crate::alert::NewAlert;
use crate::clock::Timestamp;

const SUSPEND: &str = "UPDATE account SET active = 0, suspended_at = $1, suspended_because = $2 \
     WHERE id = $3 AND active = 1";
const LIFT: &str = "UPDATE account SET suspended_at = NULL, suspended_because = NULL, \
     counting_since = $1 WHERE id = $2 AND active = 1 AND suspended_at IS NOT NULL \
     RETURNING username";

/// A suspension on its way into the store.
pub(super) struct NewSuspension {
    /// The user.
    pub(super) user_id: i64,
    /// Since when, and why.
    pub(super) suspension: Suspension,
    /// Who is to know; stored with it or not at all.
    pub(super) alert: NewAlert,
}

/// Suspends an active user and raises the alert; answers with 1, or with 0 when it is not active.
pub(super) async fn suspend(
    connection: &mut Connection,
    new: &NewSuspension,
) -> Result<i64, StoreError> {
    let done = sql::query(SUSPEND)
        .bind(new.suspension.at.as_millis())
        .bind(new.suspension.reason.as_str())
        .bind(new.user_id)
        .execute(&mut *connection)
        .await
        .map_err(|error| StoreError::writing("suspend a user", error))?;
    if done.rows_affected() == 0 {
        return Ok(0);
    }
    alerts::raise(connection, &[&new.alert]).await?;
    Ok(1)
}

/// Ends the suspension of a user that is active again: it begins with an empty count, or its next
/// message would suspend it again.
pub(super) async fn lift(
    connection: &mut Connection,
    user_id: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::writing("lift a suspension", error);
    let lifted = sql::query(LIFT)
        .bind(now.as_millis())
        .bind(user_id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    match lifted {
        Some(row) => {
            let username: String = row.try_get("username").map_err(failed)?;
            sent::forget(connection, &username).await
        }
        None => Ok(()),
    }
}
