//! Numbers that are given in turn: none is given twice, also in the copy.

use std::collections::HashMap;

use crate::store::StoreError;
use crate::store::sql::{self, Connection, Dialect, QueryBuilder, Row};

const SELECT_LAST: (&str, &str) = (
    "SELECT name, seq AS last FROM sqlite_sequence",
    "SELECT CAST(table_name AS TEXT) AS name, last_value AS last FROM pg_sequences \
     JOIN information_schema.columns ON sequencename = table_name || '_' || column_name || '_seq' \
     AND table_schema = schemaname WHERE schemaname = CURRENT_SCHEMA() AND last_value IS NOT NULL",
);
/// Tables that give numbers, and the columns of them.
const SELECT_GIVING: (&str, &str) = (
    "SELECT name, '' AS number FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'",
    "SELECT CAST(table_name AS TEXT) AS name, CAST(column_name AS TEXT) AS number \
     FROM information_schema.columns WHERE table_schema = CURRENT_SCHEMA() AND is_identity = 'YES'",
);
const FORGET: &str = "DELETE FROM sqlite_sequence WHERE name = $1";
const REMEMBER: &str = "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)";
const SET: &str = "SELECT setval(CAST($1 AS regclass), $2)";

/// Lets the target go on where the source is.
pub(super) async fn carry(
    source: &mut Connection,
    target: &mut Connection,
) -> Result<(), StoreError> {
    let last = last(source)
        .await
        .map_err(|error| StoreError::reading("numbers that were given", error))?;
    set(target, &last)
        .await
        .map_err(|error| StoreError::writing("go on with numbers", error))
}

async fn last(connection: &mut Connection) -> Result<HashMap<String, i64>, sqlx::Error> {
    let found = sql::query(SELECT_LAST).fetch_all(connection).await?;
    let pair = |row: &Row| Ok((row.try_get("name")?, row.try_get("last")?));
    found.iter().map(pair).collect()
}

async fn set(connection: &mut Connection, last: &HashMap<String, i64>) -> Result<(), sqlx::Error> {
    let giving = sql::query(SELECT_GIVING)
        .fetch_all(&mut *connection)
        .await?;
    for row in &giving {
        let (name, column): (String, String) = (row.try_get("name")?, row.try_get("number")?);
        let given = last.get(&name).copied().unwrap_or_default();
        match connection.dialect() {
            Dialect::Sqlite => set_file(connection, &name, given).await?,
            Dialect::Postgres => set_server(connection, &name, &column, given).await?,
        }
    }
    Ok(())
}

async fn set_file(connection: &mut Connection, name: &str, given: i64) -> Result<(), sqlx::Error> {
    if given == 0 {
        return Ok(());
    }
    sql::query(FORGET)
        .bind(name)
        .execute(&mut *connection)
        .await?;
    let remember = sql::query(REMEMBER).bind(name).bind(given);
    remember.execute(connection).await.map(drop)
}

/// Some tables of a file give the number behind the largest, and remember none.
async fn set_server(
    connection: &mut Connection,
    name: &str,
    column: &str,
    given: i64,
) -> Result<(), sqlx::Error> {
    let mut largest = QueryBuilder::new(format!(
        "SELECT COALESCE(MAX(\"{column}\"), 0) FROM \"{name}\""
    ));
    let largest: i64 = largest
        .build_query_scalar()
        .fetch_one(&mut *connection)
        .await?;
    let given = given.max(largest);
    if given == 0 {
        return Ok(());
    }
    let set = sql::query(SET).bind(format!("{name}_{column}_seq"));
    set.bind(given).execute(connection).await.map(drop)
}
