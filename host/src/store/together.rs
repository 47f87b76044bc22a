//! What most transactions hold, in as few trips to SQLite's thread as can be: a trip costs as much as some rows.
//! A server takes one statement at a time, but a statement can do several things.
//!
//! A message of one recipient comes with one decision and leaves with one attempt that settles it. A group of those
//! is written by three statements with as many rows each, which go together.

use std::sync::LazyLock;

use super::attempts::{self, Settled};
use super::bulk::{Bulk, Chained, Joined, Statement};
use super::decisions::{self, Kept};
use super::jobs::Placed;
use super::sql::{Connection, Dialect};
use super::writer::BEGIN_SQLITE;
use super::{content, messages, sent};
use crate::clock::Timestamp;

/// Users of a group whose messages are counted with it.
const COUNTED: usize = 4;
/// With the beginning of the transaction.
static ACCEPT: LazyLock<Joined> = LazyLock::new(|| {
    let parts: [&Bulk; 3] = [
        &messages::INSERT_MESSAGES,
        &messages::INSERT_RECIPIENTS,
        &decisions::INSERT_DECISIONS,
    ];
    Joined::new(&parts)
        .after(BEGIN_SQLITE)
        .then(&sent::COUNT, COUNTED)
});
/// For a server, where content is a row.
static ACCEPT_WITH_CONTENT: LazyLock<Chained> = LazyLock::new(|| {
    Chained::new(&[
        &messages::INSERT_MESSAGES,
        &messages::INSERT_RECIPIENTS,
        &content::INSERT_HEADS,
        &decisions::INSERT_DECISIONS,
    ])
});
static SETTLE: LazyLock<Joined> = LazyLock::new(|| {
    Joined::new(&[
        &attempts::INSERT_ATTEMPTS,
        &attempts::UPDATE_RECIPIENTS,
        &attempts::FINISH_PLAIN_MESSAGES,
    ])
});

/// Values of a message with its one recipient, its content and its decision.
const VALUES_OF_MESSAGE: usize = 64;

/// Begins the transaction of a file and stores messages with their decisions in it; false when they are not alike enough,
/// and nothing was done.
pub(super) async fn begin_and_accept(
    connection: &mut Connection,
    messages: &[Placed<'_>],
    kept: &[&Kept],
) -> Result<bool, sqlx::Error> {
    let counts = sent::counts(messages);
    let are_alike = messages.len() == kept.len()
        && messages
            .iter()
            .all(|placed| placed.message.recipients.len() == 1)
        && kept.iter().all(|one| one.is_plain())
        && (1..=COUNTED).contains(&counts.len());
    let Some(statement) = ACCEPT.of(messages.len()).filter(|_| are_alike) else {
        return Ok(false);
    };
    let statement = bind_messages(statement, messages);
    let statement = bind_decisions(statement, kept);
    let (key, _) = counts[0];
    let counts = counts.into_iter().chain(std::iter::repeat((key, (0, 0))));
    let statement = counts.take(COUNTED).fold(statement, |statement, count| {
        sent::bind_count(statement, &count)
    });
    statement.execute(connection).await?;
    Ok(true)
}

/// Stores messages of any number of recipients, with their decisions and others, on a server; false when they are not plain
/// enough, and nothing was done.
pub(super) async fn accept_on_server(
    connection: &mut Connection,
    messages: &[Placed<'_>],
    kept: &[&Kept],
) -> Result<bool, sqlx::Error> {
    if connection.dialect() == Dialect::Sqlite {
        return Ok(false);
    }
    let recipients: usize = messages
        .iter()
        .map(|placed| placed.message.recipients.len())
        .sum();
    let is_plain = kept.iter().all(|one| one.is_plain());
    if recipients == 0 || kept.is_empty() || !is_plain {
        return Ok(false);
    }
    let statement = ACCEPT_WITH_CONTENT.begin(messages.len() * VALUES_OF_MESSAGE);
    let statement = bind_messages(statement, messages);
    let statement = messages.iter().fold(statement, |statement, placed| {
        content::bind_head(statement, placed.message)
    });
    let statement = bind_decisions(statement, kept);
    let rows = [messages.len(), recipients, messages.len(), kept.len()];
    let statement = ACCEPT_WITH_CONTENT.end(statement, &rows);
    statement.execute(connection).await?;
    Ok(true)
}

fn bind_messages(statement: Statement, messages: &[Placed<'_>]) -> Statement {
    let statement = messages.iter().fold(statement, messages::bind_message);
    messages
        .iter()
        .flat_map(|placed| messages::new_recipients(placed.message))
        .fold(statement, |statement, one| {
            messages::bind_recipient(statement, &one)
        })
}

fn bind_decisions(statement: Statement, kept: &[&Kept]) -> Statement {
    kept.iter().fold(statement, |statement, one| {
        decisions::bind(statement, &one.decision.decision)
    })
}

/// Records attempts each of which may have finished a message of its own, in a file; false when more is to be done, or all:
/// they are not alike enough, or some message is not finished or has content that is to be deleted.
pub(super) async fn settle(
    connection: &mut Connection,
    results: &[Settled<'_>],
    finished: &[i64],
) -> Result<bool, sqlx::Error> {
    let are_alike = connection.dialect() == Dialect::Sqlite && results.len() == finished.len();
    let Some(statement) = SETTLE.of(results.len()).filter(|_| are_alike) else {
        return Ok(false);
    };
    let statement = results.iter().fold(statement, attempts::bind_attempt);
    let statement = results.iter().fold(statement, attempts::bind_result);
    let statement = finished.iter().fold(
        statement.bind(Timestamp::now().as_millis()),
        |statement, id| statement.bind(*id),
    );
    let done = statement.execute(connection).await?;
    // An attempt, a recipient and a message of each.
    Ok(done.rows_affected() == 3 * results.len() as u64)
}
