//! Statements that are put together when it is known what is asked.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::query::{Query, Scalar, Text};
use super::{Dialect, Value};

/// A statement in the making.
#[derive(Default)]
pub(in crate::store) struct QueryBuilder {
    pieces: Vec<Piece>,
    values: Vec<Value>,
}

/// A piece of a statement.
pub(in crate::store) enum Piece {
    /// The same for both.
    Shared(Cow<'static, str>),
    /// For SQLite, and for PostgreSQL.
    Pair(&'static str, &'static str),
    /// The place of the next value.
    Place,
}

/// Values between separators.
pub(in crate::store) struct Separated<'a> {
    query: &'a mut QueryBuilder,
    separator: &'static str,
    has_begun: bool,
}

impl QueryBuilder {
    /// Begins with a text.
    pub(in crate::store) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        let mut query = Self::default();
        query.push(text);
        query
    }

    /// Appends a text that both databases understand.
    pub(in crate::store) fn push(&mut self, text: impl Into<Cow<'static, str>>) -> &mut Self {
        self.pieces.push(Piece::Shared(text.into()));
        self
    }

    /// Appends a text for SQLite or one for PostgreSQL.
    pub(in crate::store) fn push_pair(
        &mut self,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> &mut Self {
        self.pieces.push(Piece::Pair(sqlite, postgres));
        self
    }

    /// Appends a value.
    pub(in crate::store) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.pieces.push(Piece::Place);
        self.values.push(value.into());
        self
    }

    /// Appends values with this between them.
    pub(in crate::store) const fn separated(&mut self, separator: &'static str) -> Separated<'_> {
        Separated {
            query: self,
            separator,
            has_begun: false,
        }
    }

    /// The statement; nothing is left in the builder.
    pub(in crate::store) fn build(&mut self) -> Query {
        let built = std::mem::take(self);
        Query::of(Text::Built(built.pieces), built.values)
    }

    /// The statement, of whose rows the first column is wanted.
    pub(in crate::store) fn build_query_scalar<T>(&mut self) -> Scalar<T> {
        self.build().into()
    }
}

impl Separated<'_> {
    /// Appends a value.
    pub(in crate::store) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        if std::mem::replace(&mut self.has_begun, true) {
            self.query.push(self.separator);
        }
        self.query.push_bind(value);
        self
    }
}

/// The whole text. Places have no numbers in SQLite, which would look for each of them in a list.
pub(super) fn rendered(pieces: &[Piece], dialect: Dialect) -> String {
    let mut text = String::with_capacity(pieces.len() * 32);
    let mut place = 0;
    for piece in pieces {
        match (piece, dialect) {
            (Piece::Shared(shared), _) => text.push_str(shared),
            (Piece::Pair(sqlite, _), Dialect::Sqlite) => text.push_str(sqlite),
            (Piece::Pair(_, postgres), Dialect::Postgres) => text.push_str(postgres),
            (Piece::Place, Dialect::Sqlite) => text.push('?'),
            (Piece::Place, Dialect::Postgres) => {
                place += 1;
                write!(text, "${place}").expect("a string takes everything");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_gets_its_words() {
        let mut query = QueryBuilder::new("SELECT a FROM t");
        query.push_pair(" INDEXED BY i", "").push(" WHERE b = ");
        query.push_bind(1_i64).push(" AND c IN (");
        let mut values = query.separated(", ");
        values.push_bind("x").push_bind("y");
        query.push(")");
        assert_eq!(
            rendered(&query.pieces, Dialect::Sqlite),
            "SELECT a FROM t INDEXED BY i WHERE b = ? AND c IN (?, ?)"
        );
        assert_eq!(
            rendered(&query.pieces, Dialect::Postgres),
            "SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)"
        );
        assert_eq!(query.values.len(), 3);
    }
}
