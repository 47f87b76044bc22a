//! Statements over many rows at once: each trip to the database's thread costs more than a row does.
//!
//! SQLite is given the rows as they are, in statements of several sizes. PostgreSQL is given each column as a list, which
//! costs it less than a parameter for each value, and takes any number of rows in one prepared statement.

use super::sql::{self, Connection, Dialect, Text};

/// Up to this many rows any number has a prepared statement of its own: most groups are written in one trip.
const EXACT: usize = 32;
/// Rows of the largest statement, of which large groups take several. Joined ones have any number up to it.
const LARGEST: usize = 2 * EXACT;

/// A statement with its arguments so far.
pub(super) type Statement = sql::Query;

/// One statement in several sizes, differing in the number of their rows.
pub(super) struct Bulk {
    variants: Vec<String>,
    before: String,
    row: String,
    after: String,
    /// For PostgreSQL, of lists.
    lists: String,
    /// Values before the rows.
    lead: usize,
    columns: usize,
}

/// Several statements that PostgreSQL executes as one, each with rows of its own.
pub(super) struct Chained {
    sql: String,
    columns: Vec<usize>,
}

/// Several statements that SQLite executes in one trip, with as many rows each.
pub(super) struct Joined {
    variants: Vec<String>,
    columns: usize,
    /// Values of the statements that have a number of rows of their own.
    others: usize,
}

impl Joined {
    /// In this order.
    pub(super) fn new(parts: &[&Bulk]) -> Self {
        let variant = |rows: usize| {
            let parts: Vec<String> = parts.iter().map(|part| part.of_rows(rows)).collect();
            parts.join("; ")
        };
        Self {
            variants: (1..=LARGEST).map(variant).collect(),
            columns: parts.iter().map(|part| part.columns).sum(),
            others: parts.iter().map(|part| part.lead).sum(),
        }
    }

    /// All of them behind this command.
    pub(super) fn after(mut self, command: &str) -> Self {
        for variant in &mut self.variants {
            *variant = format!("{command}; {variant}");
        }
        self
    }

    /// And then one with so many rows, however many the others have.
    pub(super) fn then(mut self, part: &Bulk, rows: usize) -> Self {
        let last = part.of_rows(rows);
        for variant in &mut self.variants {
            *variant = format!("{variant}; {last}");
        }
        self.others += part.lead + rows * part.columns;
        self
    }

    /// The statements for so many rows, to which those of the first are bound first; none when there are too many.
    pub(super) fn of(&'static self, rows: usize) -> Option<Statement> {
        let sql = self.variants.get(rows.checked_sub(1)?)?;
        Some(sql::query(Text::Places(sql)).with_room(rows * self.columns + self.others))
    }
}

impl Chained {
    /// In no order: all but the last say nothing, and none sees what the others do.
    pub(super) fn new(parts: &[&Bulk]) -> Self {
        let (last, others) = parts.split_last().expect("there are some");
        let others: Vec<String> = (1..)
            .zip(others)
            .map(|(number, part)| format!("part_{number} AS ({})", part.lists))
            .collect();
        Self {
            sql: format!("WITH {} {}", others.join(", "), last.lists),
            columns: parts.iter().map(|part| part.columns).collect(),
        }
    }

    /// Begins the statement for so many values, to which the rows of the first are bound first.
    pub(super) fn begin(&'static self, values: usize) -> Statement {
        sql::query(Text::Places(&self.sql)).with_room(values)
    }

    /// Ends it: so many rows were bound for each, one at least.
    pub(super) fn end(&'static self, statement: Statement, rows: &[usize]) -> Statement {
        let parts: Vec<(usize, usize)> = rows
            .iter()
            .copied()
            .zip(self.columns.iter().copied())
            .collect();
        statement.in_lists(0, &parts)
    }
}

impl Bulk {
    /// `before`, then rows of `columns` parameters each, then `after`.
    ///
    /// Parameters have no numbers: SQLite keeps those in a list that is searched once for every parameter
    /// that is bound, which took longer than the rows did. So what `before` needs is bound first, in order.
    pub(super) fn new(before: &str, columns: usize, after: &str) -> Self {
        let places = vec!["?"; columns].join(", ");
        let row = format!("({places})");
        let opening = before.strip_suffix("VALUES ").unwrap_or(before);
        let mut bulk = Self {
            lists: format!("{opening}SELECT * FROM unnest({places}){after}"),
            lead: before.matches('?').count(),
            variants: Vec::new(),
            before: before.to_owned(),
            row,
            after: after.to_owned(),
            columns,
        };
        let sizes = (1..=EXACT).chain([LARGEST]);
        bulk.variants = sizes.map(|size| bulk.of_rows(size)).collect();
        bulk
    }

    fn of_rows(&self, rows: usize) -> String {
        let rows = vec![self.row.as_str(); rows].join(", ");
        format!("{}{rows}{}", self.before, self.after)
    }

    /// Executes the statement for every row, in as few statements as the sizes allow.
    pub(super) async fn execute<T: Sync>(
        &'static self,
        connection: &mut Connection,
        mut rows: &[T],
        bind: impl Fn(Statement, &T) -> Statement,
    ) -> Result<(), sqlx::Error> {
        if connection.dialect() == Dialect::Postgres && !rows.is_empty() {
            let statement = self.of_lists(rows, |start| start, bind);
            return statement.execute(connection).await.map(drop);
        }
        while !rows.is_empty() {
            let size = match rows.len() {
                LARGEST.. => LARGEST,
                some => some.min(EXACT),
            };
            let (now, later) = rows.split_at(size);
            now.iter()
                .fold(self.of(size), &bind)
                .execute(&mut *connection)
                .await?;
            rows = later;
        }
        Ok(())
    }

    /// The statements for all rows where a row may be named twice: in SQLite the last one fills the rest.
    pub(super) fn padded<T>(
        &'static self,
        dialect: Dialect,
        rows: &[T],
        start: impl Fn(Statement) -> Statement,
        bind: impl Fn(Statement, &T) -> Statement,
    ) -> Vec<Statement> {
        if dialect == Dialect::Postgres && !rows.is_empty() {
            return vec![self.of_lists(rows, start, bind)];
        }
        rows.chunks(LARGEST)
            .map(|chunk| {
                let size = match chunk.len() {
                    some @ ..=EXACT => some,
                    _ => LARGEST,
                };
                let padding = chunk.last().into_iter().cycle();
                chunk
                    .iter()
                    .chain(padding)
                    .take(size)
                    .fold(start(self.of(size)), &bind)
            })
            .collect()
    }

    /// The statement for any number of rows, one at least, for PostgreSQL.
    fn of_lists<T>(
        &'static self,
        rows: &[T],
        start: impl Fn(Statement) -> Statement,
        bind: impl Fn(Statement, &T) -> Statement,
    ) -> Statement {
        let statement = sql::query(Text::Places(&self.lists));
        let statement = statement.with_room(self.lead + rows.len() * self.columns);
        let statement = rows.iter().fold(start(statement), bind);
        statement.in_lists(self.lead, &[(rows.len(), self.columns)])
    }

    /// The statement for a number of rows that has one.
    fn of(&'static self, size: usize) -> Statement {
        let sql = &self.variants[size.min(EXACT + 1) - 1];
        sql::query(Text::Places(sql)).with_room(size * self.columns + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::store::sql::Dialect::{Postgres, Sqlite};

    static PAIRS: LazyLock<Bulk> = LazyLock::new(|| Bulk::new("VALUES ", 2, " END"));
    static JOINED: LazyLock<Joined> = LazyLock::new(|| Joined::new(&[&PAIRS, &PAIRS]));

    #[test]
    fn rows_are_as_many_as_the_size_says() {
        assert_eq!(PAIRS.of(1).sql(Sqlite), "VALUES (?, ?) END");
        assert_eq!(PAIRS.of(3).sql(Sqlite), "VALUES (?, ?), (?, ?), (?, ?) END");
        for size in [1, 2, 31, 32, 64] {
            assert_eq!(PAIRS.of(size).sql(Sqlite).matches("(?, ?)").count(), size);
        }
    }

    #[test]
    fn a_group_is_padded_to_a_size_there_is() {
        for (rows, sizes) in [
            (1, vec![1]),
            (32, vec![32]),
            (33, vec![64]),
            (65, vec![64, 1]),
        ] {
            let numbers = vec![7; rows];
            let bind = |statement: Statement, number: &i64| statement.bind(*number);
            let statements = PAIRS.padded(Sqlite, &numbers, |start| start, bind);
            let found: Vec<usize> = statements
                .into_iter()
                .map(|statement| statement.sql(Sqlite).matches("(?, ?)").count())
                .collect();
            assert_eq!(found, sizes);
        }
    }

    #[test]
    fn a_server_is_given_lists() {
        static AFTER: LazyLock<Bulk> = LazyLock::new(|| Bulk::new("A ? (VALUES ", 1, ")"));
        let bind = |statement: Statement, number: &i64| statement.bind(*number);
        let start = |statement: Statement| statement.bind(1_i64);
        let statements = AFTER.padded(Postgres, &[7, 8, 9], start, bind);
        let found: Vec<String> = statements.iter().map(|one| one.sql(Postgres)).collect();
        assert_eq!(found, ["A $1 (SELECT * FROM unnest($2))"]);
    }

    #[test]
    fn chained_statements_are_one() {
        static CHAINED: LazyLock<Chained> = LazyLock::new(|| Chained::new(&[&PAIRS, &PAIRS]));
        assert_eq!(
            CHAINED.begin(0).sql(Postgres),
            "WITH part_1 AS (SELECT * FROM unnest($1, $2) END) SELECT * FROM unnest($3, $4) END"
        );
    }

    #[test]
    fn joined_statements_follow_one_another() {
        let two = JOINED.of(2).expect("few");
        assert_eq!(
            two.sql(Sqlite),
            "VALUES (?, ?), (?, ?) END; VALUES (?, ?), (?, ?) END"
        );
        assert!(JOINED.of(0).is_none());
        assert!(JOINED.of(LARGEST + 1).is_none());
        static BETWEEN: LazyLock<Joined> =
            LazyLock::new(|| Joined::new(&[&PAIRS]).after("BEGIN").then(&PAIRS, 2));
        assert_eq!(
            BETWEEN.of(1).expect("few").sql(Sqlite),
            "BEGIN; VALUES (?, ?) END; VALUES (?, ?), (?, ?) END"
        );
    }
}
