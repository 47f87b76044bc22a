//! Which tables there are, of which columns, and the statements that read and write them.

use super::{FIRST, LARGE_PAGE, LEFT, PAGE, SEEDED};
use crate::store::StoreError;
use crate::store::sql::{self, Connection, Kind, QueryBuilder, Row, Value};

const SELECT_TABLES: (&str, &str) = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = CURRENT_SCHEMA() ORDER BY tablename",
);
const SELECT_COLUMNS: (&str, &str) = (
    "SELECT name, type, pk AS place FROM pragma_table_info($1) ORDER BY cid",
    "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS type, \
     CAST(COALESCE((SELECT key.ordinal_position FROM information_schema.key_column_usage AS key \
     JOIN information_schema.table_constraints AS made ON made.constraint_name = key.constraint_name \
     AND made.table_schema = key.table_schema AND made.table_name = key.table_name \
     WHERE made.constraint_type = 'PRIMARY KEY' AND key.table_schema = columns.table_schema \
     AND key.table_name = columns.table_name AND key.column_name = columns.column_name), 0) AS BIGINT) AS place \
     FROM information_schema.columns AS columns \
     WHERE table_schema = CURRENT_SCHEMA() AND table_name = $1 ORDER BY columns.ordinal_position",
);
/// Where in the log a message's content lies: nowhere, once it was copied.
const PLACES: [&str; 2] = ["segment", "segment_offset"];

/// A table that both databases have.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Places of the columns that tell rows apart, in the key's order; empty for tables of one row.
    key: Vec<usize>,
}

/// A column.
#[derive(Clone)]
pub(super) struct Column {
    name: String,
    kind: Kind,
    /// Its place in the primary key, from 1; 0 when it is not in it.
    place: i64,
}

/// The tables that are copied, in the order in which they can be.
pub(super) async fn shared(
    source: &mut Connection,
    target: &mut Connection,
) -> Result<Vec<Table>, StoreError> {
    let failed = |error| StoreError::reading("which tables there are", error);
    let names = names(source).await.map_err(failed)?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let theirs = columns(target, &name).await.map_err(failed)?;
        let mut ours = columns(source, &name).await.map_err(failed)?;
        if theirs.is_empty() {
            return Err(StoreError::Differs { table: name });
        }
        // A server's ledger has columns that follow from others.
        ours.retain(|column| theirs.iter().any(|other| other.name == column.name));
        tables.push(Table::of(name, ours));
    }
    tables.sort_by_key(Table::order);
    Ok(tables)
}

async fn names(connection: &mut Connection) -> Result<Vec<String>, sqlx::Error> {
    let mut names: Vec<String> = sql::query_scalar(SELECT_TABLES)
        .fetch_all(connection)
        .await?;
    names.retain(|name| !LEFT.contains(&name.as_str()));
    Ok(names)
}

async fn columns(connection: &mut Connection, table: &str) -> Result<Vec<Column>, sqlx::Error> {
    let found = sql::query(SELECT_COLUMNS).bind(table);
    let found = found.fetch_all(connection).await?;
    let column = |row: &Row| {
        let kind: String = row.try_get("type")?;
        Ok(Column {
            name: row.try_get("name")?,
            kind: match kind.as_str() {
                "INTEGER" | "bigint" => Kind::Integer,
                "BLOB" | "bytea" => Kind::Octets,
                _ => Kind::Text,
            },
            place: row.try_get("place")?,
        })
    };
    found.iter().map(column).collect()
}

impl Table {
    fn of(name: String, columns: Vec<Column>) -> Self {
        let mut key: Vec<usize> = (0..columns.len())
            .filter(|&place| columns[place].place > 0)
            .collect();
        key.sort_by_key(|&place| columns[place].place);
        Self { name, columns, key }
    }

    /// Those that others refer to first, those that count changes last.
    fn order(&self) -> (usize, String) {
        let first = FIRST.iter().position(|name| *name == self.name);
        let rank = match first {
            Some(place) => place,
            None if self.is_seeded() => FIRST.len() + 1,
            None => FIRST.len(),
        };
        (rank, self.name.clone())
    }

    /// Whether a new store has rows in it.
    pub(super) fn is_seeded(&self) -> bool {
        SEEDED.contains(&self.name.as_str())
    }

    /// Rows of a page.
    pub(super) fn page(&self) -> usize {
        match self.name.as_str() {
            "content" | "content_chunk" | "recording" => LARGE_PAGE,
            _ => PAGE,
        }
    }

    /// What tells this row from others.
    pub(super) fn key_of(&self, row: &[Value]) -> Vec<Value> {
        self.key.iter().map(|&place| row[place].clone()).collect()
    }

    /// Content that lies in a log does not in the copy.
    pub(super) fn leave_log(&self, row: &mut [Value]) {
        if self.name != "message" {
            return;
        }
        for (value, column) in row.iter_mut().zip(&self.columns) {
            if PLACES.contains(&column.name.as_str()) {
                *value = Value::Integer(None);
            }
        }
    }

    /// A page of its rows behind a key.
    pub(super) fn select(&self, after: Option<&[Value]>) -> QueryBuilder {
        let key: Vec<String> = self.key.iter().map(|&place| self.column(place)).collect();
        let key = key.join(", ");
        let mut query = QueryBuilder::new(format!("SELECT {} FROM \"{}\"", self.list(), self.name));
        if let Some(after) = after {
            query.push(format!(" WHERE ({key}) > ("));
            let mut values = query.separated(", ");
            for value in after {
                values.push_bind(value.clone());
            }
            query.push(")");
        }
        if !key.is_empty() {
            query.push(format!(" ORDER BY {key}"));
        }
        query.push(format!(" LIMIT {}", self.page()));
        query
    }

    /// Writes rows.
    pub(super) fn insert(&self, rows: &[Vec<Value>]) -> QueryBuilder {
        let mut query = QueryBuilder::new(format!(
            "INSERT INTO \"{}\" ({}) VALUES ",
            self.name,
            self.list()
        ));
        for (number, row) in rows.iter().enumerate() {
            query.push(if number == 0 { "(" } else { ", (" });
            let mut values = query.separated(", ");
            for value in row {
                values.push_bind(value.clone());
            }
            query.push(")");
        }
        query
    }

    /// The values of a row that was selected.
    pub(super) fn values(&self, row: &Row) -> Result<Vec<Value>, sqlx::Error> {
        let columns = self.columns.iter().enumerate();
        columns
            .map(|(place, column)| row.value(place, column.kind))
            .collect()
    }

    fn list(&self) -> String {
        let columns: Vec<String> = (0..self.columns.len())
            .map(|place| self.column(place))
            .collect();
        columns.join(", ")
    }

    fn column(&self, place: usize) -> String {
        format!("\"{}\"", self.columns[place].name)
    }
}
