//! Statements over many rows at once: each trip to the database's thread costs more than a row does.

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

/// Row counts that get a prepared statement of their own, from large to small.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A statement with its arguments so far.
pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// One statement in several sizes, differing in the number of their rows.
pub(super) struct Bulk {
    variants: [String; SIZES.len()],
}

impl Bulk {
    /// `before`, then rows of `columns` parameters each, then `after`.
    ///
    /// `offset` parameters stand elsewhere in the statement and are bound first.
    pub(super) fn new(before: &str, columns: usize, offset: usize, after: &str) -> Self {
        Self {
            variants: SIZES.map(|size| {
                let rows: Vec<String> = (0..size)
                    .map(|row| row_text(offset + row * columns, columns))
                    .collect();
                format!("{before}{}{after}", rows.join(", "))
            }),
        }
    }

    /// Executes the statement for every row, in as few statements as the sizes allow.
    pub(super) async fn execute<T: Sync>(
        &'static self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        bind: impl Fn(Statement, &T) -> Statement,
    ) -> Result<(), sqlx::Error> {
        while !rows.is_empty() {
            let variant = SIZES
                .iter()
                .position(|&size| size <= rows.len())
                .expect("the smallest size is 1");
            let (now, later) = rows.split_at(SIZES[variant]);
            now.iter()
                .fold(sqlx::query(self.variants[variant].as_str()), &bind)
                .execute(&mut *connection)
                .await?;
            rows = later;
        }
        Ok(())
    }

    /// The statements for all rows where a row may be named twice: the last one fills the rest.
    pub(super) fn padded<T>(
        &'static self,
        rows: &[T],
        start: impl Fn(Statement) -> Statement,
        bind: impl Fn(Statement, &T) -> Statement,
    ) -> Vec<Statement> {
        rows.chunks(SIZES[0])
            .map(|chunk| {
                let variant = SIZES
                    .iter()
                    .rposition(|&size| size >= chunk.len())
                    .expect("a chunk is not larger than the largest size");
                let padding = chunk.last().into_iter().cycle();
                chunk
                    .iter()
                    .chain(padding)
                    .take(SIZES[variant])
                    .fold(start(sqlx::query(self.variants[variant].as_str())), &bind)
            })
            .collect()
    }
}

fn row_text(first: usize, columns: usize) -> String {
    let parameters: Vec<String> = (1..=columns)
        .map(|column| format!("${}", first + column))
        .collect();
    format!("({})", parameters.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_through() {
        let bulk = Bulk::new("VALUES ", 2, 1, " END");
        assert_eq!(
            bulk.variants[2],
            "VALUES ($2, $3), ($4, $5), ($6, $7), ($8, $9) END"
        );
        assert_eq!(bulk.variants[3], "VALUES ($2, $3) END");
    }
}
