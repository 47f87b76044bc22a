//! Brings the database to the schema of this release. Migrations only append.

use std::path::Path;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Executor, Row};

use super::StoreError;

/// Each is applied once, in order; its version is its place, from 1.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_scram.sql"),
    include_str!("migrations/0003_parameters.sql"),
    include_str!("migrations/0004_decisions.sql"),
    include_str!("migrations/0005_limits.sql"),
    include_str!("migrations/0006_reload.sql"),
    include_str!("migrations/0007_scram_iterations.sql"),
    include_str!("migrations/0008_policy_settings.sql"),
    include_str!("migrations/0009_effects.sql"),
    include_str!("migrations/0010_decision_effects.sql"),
    include_str!("migrations/0011_queue_administration.sql"),
    include_str!("migrations/0012_urgent_budget.sql"),
    include_str!("migrations/0013_outbound.sql"),
    include_str!("migrations/0014_operators.sql"),
    include_str!("migrations/0015_statistics.sql"),
    include_str!("migrations/0016_content_log.sql"),
    include_str!("migrations/0017_api_tokens.sql"),
    include_str!("migrations/0018_alerts.sql"),
];

const COUNT_TABLES: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'";
const HAS_VERSION_TABLE: &str =
    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'";
const CREATE_VERSION_TABLE: &str = "CREATE TABLE schema_version (version INTEGER NOT NULL)";
const INSERT_VERSION: &str = "INSERT INTO schema_version (version) VALUES (0)";
const SELECT_VERSION: &str = "SELECT MAX(version) FROM schema_version";
const UPDATE_VERSION: &str = "UPDATE schema_version SET version = $1";

/// Applies the migrations the database does not have yet, all or none.
///
/// # Errors
/// The file is not a store, is a newer one, or cannot be written.
pub(super) async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let known = MIGRATIONS.len();
    if version(connection, path).await? == known {
        return Ok(());
    }
    let failed = |error| StoreError::opening(path.to_owned(), error);
    connection
        .execute("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    // Asked again: another process may have migrated while this one waited for the lock.
    let found = version(connection, path).await?;
    apply(connection, found).await.map_err(failed)?;
    connection.execute("COMMIT").await.map_err(failed)?;
    Ok(())
}

/// The number of migrations the database has.
async fn version(connection: &mut SqliteConnection, path: &Path) -> Result<usize, StoreError> {
    let failed = |error| StoreError::opening(path.to_owned(), error);
    if number(connection, HAS_VERSION_TABLE)
        .await
        .map_err(failed)?
        == 0
    {
        let tables = number(connection, COUNT_TABLES).await.map_err(failed)?;
        return match tables {
            0 => Ok(0),
            _ => Err(StoreError::Foreign {
                path: path.to_owned(),
            }),
        };
    }
    let found = number(connection, SELECT_VERSION).await.map_err(failed)?;
    match usize::try_from(found) {
        Ok(found) if found <= MIGRATIONS.len() => Ok(found),
        _ => Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known: i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX),
        }),
    }
}

async fn apply(connection: &mut SqliteConnection, found: usize) -> Result<(), sqlx::Error> {
    if found == 0 {
        connection.execute(CREATE_VERSION_TABLE).await?;
        connection.execute(INSERT_VERSION).await?;
    }
    for migration in &MIGRATIONS[found..] {
        sqlx::raw_sql(*migration).execute(&mut *connection).await?;
    }
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    sqlx::query(UPDATE_VERSION)
        .bind(known)
        .execute(connection)
        .await?;
    Ok(())
}

async fn number(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    connection.fetch_one(sql).await?.try_get(0)
}
