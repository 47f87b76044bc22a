//! Brings the database to the schema of this release. Migrations only append.

use super::StoreError;
use super::sql::{self, Connection, Dialect};

/// For a file. Each is applied once, in order; its version is its place, from 1.
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
    include_str!("migrations/0019_nodes.sql"),
    include_str!("migrations/0020_shared_counts.sql"),
    include_str!("migrations/0021_panel_speed.sql"),
    include_str!("migrations/0022_usable_from.sql"),
    include_str!("migrations/0023_whole_content.sql"),
    include_str!("migrations/0024_due_times.sql"),
];

/// For a server: the first makes what the first eighteen of a file make together.
const POSTGRES_MIGRATIONS: &[&str] = &[
    include_str!("migrations/postgres/0018_initial.sql"),
    include_str!("migrations/postgres/0019_nodes.sql"),
    include_str!("migrations/postgres/0020_shared_counts.sql"),
    include_str!("migrations/postgres/0021_panel_speed.sql"),
    include_str!("migrations/postgres/0022_usable_from.sql"),
    include_str!("migrations/postgres/0023_whole_content.sql"),
    include_str!("migrations/postgres/0024_due_times.sql"),
];
/// The version of a server's first migration.
const FIRST_POSTGRES: usize = 18;

/// The newest migration that a release has to know to work on this schema: those behind it only add what it can do
/// without. A migration that takes something away, renames it or gives it another meaning moves this to its own number,
/// and then old and new releases cannot run side by side.
const USABLE_FROM: usize = 22;

const _: () = assert!(
    USABLE_FROM <= MIGRATIONS.len(),
    "it is one of the migrations"
);
const _: () = assert!(
    MIGRATIONS.len() == FIRST_POSTGRES + POSTGRES_MIGRATIONS.len() - 1,
    "each migration of a file has one of a server beside it"
);

const COUNT_TABLES: (&str, &str) = (
    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'",
    "SELECT COUNT(*) FROM pg_tables WHERE schemaname = CURRENT_SCHEMA()",
);
const HAS_VERSION_TABLE: (&str, &str) = (
    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
    "SELECT COUNT(*) FROM pg_tables WHERE schemaname = CURRENT_SCHEMA() AND tablename = 'schema_version'",
);
const CREATE_VERSION_TABLE: (&str, &str) = (
    "CREATE TABLE schema_version (version INTEGER NOT NULL)",
    "CREATE TABLE schema_version (version BIGINT NOT NULL)",
);
const INSERT_VERSION: &str = "INSERT INTO schema_version (version) VALUES (0)";
const SELECT_VERSION: &str = "SELECT MAX(version) FROM schema_version";
const SELECT_USABLE_FROM: &str = "SELECT MAX(usable_from) FROM schema_version";
const UPDATE_VERSION: &str = "UPDATE schema_version SET version = $1, usable_from = $2";
/// Of all nodes one migrates; the others wait here. The first number is the relay's own.
const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(7236284, 1)";

/// Applies the migrations the database does not have yet, all or none. What newer releases have added stays as it is.
///
/// # Errors
/// It is not a store, is one that only newer releases can use, or cannot be written.
pub(super) async fn migrate(connection: &mut Connection, store: &str) -> Result<(), StoreError> {
    let known = MIGRATIONS.len();
    let found = version(connection, store).await?;
    if found > known {
        tracing::warn!(
            found,
            known,
            "a newer release has brought the store to its schema; this one works on with what it knows"
        );
    }
    if found >= known {
        return Ok(());
    }
    let failed = |error| StoreError::opening(store, error);
    begin(connection).await.map_err(failed)?;
    // Asked again: another process may have migrated while this one waited for the lock.
    let found = version(connection, store).await?;
    if found < known {
        apply(connection, found).await.map_err(failed)?;
    }
    connection.command("COMMIT").await.map_err(failed)?;
    Ok(())
}

/// Begins a transaction in which no other process migrates.
async fn begin(connection: &mut Connection) -> Result<(), sqlx::Error> {
    match connection.dialect() {
        Dialect::Sqlite => connection.command("BEGIN IMMEDIATE").await,
        Dialect::Postgres => {
            connection.command("BEGIN").await?;
            // A migration of much takes as long as it takes, and so does waiting for it.
            connection
                .command("SET LOCAL statement_timeout = 0")
                .await?;
            connection.command(LOCK_SCHEMA).await
        }
    }
}

/// The number of migrations the database has.
async fn version(connection: &mut Connection, store: &str) -> Result<usize, StoreError> {
    let failed = |error| StoreError::opening(store, error);
    if number(connection, HAS_VERSION_TABLE)
        .await
        .map_err(failed)?
        == 0
    {
        let tables = number(connection, COUNT_TABLES).await.map_err(failed)?;
        return match tables {
            0 => Ok(0),
            _ => Err(StoreError::Foreign {
                store: store.to_owned(),
            }),
        };
    }
    let found = number(connection, SELECT_VERSION).await.map_err(failed)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let usable_from = if found > known {
        usable_from(connection).await.map_err(failed)?
    } else {
        0
    };
    match usize::try_from(found) {
        Ok(found) if usable_from <= known => Ok(found),
        _ => Err(StoreError::NewerSchema {
            store: store.to_owned(),
            found,
            known,
        }),
    }
}

/// The version that a release has to know to use a newer schema. One that does not say so is of use to nobody.
async fn usable_from(connection: &mut Connection) -> Result<i64, sqlx::Error> {
    match number(connection, SELECT_USABLE_FROM).await {
        Err(sqlx::Error::Database(_)) => Ok(i64::MAX),
        answer => answer,
    }
}

async fn apply(connection: &mut Connection, found: usize) -> Result<(), sqlx::Error> {
    if found == 0 {
        sql::query(CREATE_VERSION_TABLE)
            .execute(&mut *connection)
            .await?;
        connection.command(INSERT_VERSION).await?;
    }
    for migration in behind(connection.dialect(), found) {
        connection.script(migration).await?;
    }
    let as_number = |version| i64::try_from(version).unwrap_or(i64::MAX);
    sql::query(UPDATE_VERSION)
        .bind(as_number(MIGRATIONS.len()))
        .bind(as_number(USABLE_FROM))
        .execute(connection)
        .await?;
    Ok(())
}

/// The migrations behind a version.
fn behind(dialect: Dialect, found: usize) -> &'static [&'static str] {
    match dialect {
        Dialect::Sqlite => &MIGRATIONS[found..],
        Dialect::Postgres => &POSTGRES_MIGRATIONS[(found + 1).saturating_sub(FIRST_POSTGRES)..],
    }
}

async fn number(
    connection: &mut Connection,
    text: impl Into<sql::Text>,
) -> Result<i64, sqlx::Error> {
    sql::query_scalar(text).fetch_one(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_begins_with_its_own_first_migration() {
        assert_eq!(behind(Dialect::Postgres, 0), POSTGRES_MIGRATIONS);
        assert_eq!(
            behind(Dialect::Postgres, FIRST_POSTGRES),
            &POSTGRES_MIGRATIONS[1..]
        );
        assert!(behind(Dialect::Postgres, MIGRATIONS.len()).is_empty());
        assert!(behind(Dialect::Sqlite, MIGRATIONS.len()).is_empty());
    }
}
