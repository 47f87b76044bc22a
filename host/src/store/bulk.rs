//! Statements over many rows at once: each trip to the database's thread costs more than a row does.

use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

/// Row counts that get a prepared statement of their own, from large to small. Each is half of the one
/// before, so that no number of rows below 64 takes more than six statements, and most take three.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A statement with its arguments so far.
pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// One statement in several sizes, differing in the number of their rows.
pub(super) struct Bulk {
    variants: [String; SIZES.len()],
}

impl Bulk {
    /// `before`, then rows of `columns` parameters each, then `after`.
    ///
    /// Parameters have no numbers: SQLite keeps those in a list that is searched once for every parameter
    /// that is bound, which took longer than the rows did. So what `before` needs is bound first, in order.
    pub(super) fn new(before: &str, columns: usize, after: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        Self {
            variants: SIZES.map(|size| {
                let rows = vec![row.as_str(); size].join(", ");
                format!("{before}{rows}{after}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_many_as_the_size_says() {
        let bulk = Bulk::new("VALUES ", 2, " END");
        assert_eq!(
            bulk.variants[4],
            "VALUES (?, ?), (?, ?), (?, ?), (?, ?) END"
        );
        assert_eq!(bulk.variants[6], "VALUES (?, ?) END");
    }
}
