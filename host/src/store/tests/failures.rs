//! What SQLite does when the disk, the file or another process does not play along.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use sqlx::{Connection, Executor, SqliteConnection};

use super::{Bench, record};
use crate::queue::RecipientStatus::Delivered;
use crate::store::jobs::Work;
use crate::store::{Config, Store, StoreError};

impl Bench {
    /// Another program's connection to the same file.
    async fn intruder(&self) -> SqliteConnection {
        let path = self.path().join("store.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        SqliteConnection::connect_with(&options)
            .await
            .expect("connects")
    }

    pub(super) async fn recovered(&self) {
        let waited = tokio::time::timeout(Duration::from_secs(30), self.wait_until_accepting());
        waited.await.expect("in time").expect("not closed");
    }
}

fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable { .. }))
}

#[tokio::test]
async fn a_full_store_refuses_everyone_and_recovers() {
    let bench = Bench::sqlite().await;
    let kept = bench.accepted(&["a@example.net"]).await;
    let limit = Work::Command("PRAGMA max_page_count = 1");
    bench.write(limit).await.expect("the limit is set");

    let messages: Vec<_> = (0..20)
        .map(|_| {
            let mut message = bench.new_message(&["b@example.net"]);
            // Content lies in the log: it is the rows that do not fit.
            message.meta.subject = "x".repeat(100_000);
            Arc::new(message)
        })
        .collect();
    let accept = |message: &Arc<_>| bench.accept(Arc::clone(message), Vec::new());
    let answers = join_all(messages.iter().map(accept)).await;
    assert!(answers.iter().all(is_unavailable), "{answers:?}");

    // The probe writes through a new connection, which knows no such limit.
    bench.recovered().await;
    let open = bench.open_messages(None, 100).await.expect("readable");
    assert_eq!(
        open.iter().map(|message| message.id).collect::<Vec<_>>(),
        [kept]
    );
    for answer in join_all(messages.iter().map(accept)).await {
        answer.expect("what was refused was not written");
    }
}

#[tokio::test]
async fn nothing_is_accepted_until_a_probe_is_committed() {
    let impatient = Config {
        busy_timeout_s: 0,
        ..Config::default()
    };
    let bench = Bench::sqlite_with(impatient).await;
    let id = bench.accepted(&["a@example.net"]).await;
    let mut intruder = bench.intruder().await;
    intruder.execute("BEGIN IMMEDIATE").await.expect("locked");

    let message = Arc::new(bench.new_message(&["b@example.net"]));
    for _ in 0..10 {
        let answer = bench.accept(Arc::clone(&message), Vec::new()).await;
        assert!(is_unavailable(&answer), "{answer:?}");
        assert!(!bench.accepting());
    }
    assert!(is_unavailable(
        &bench.record(record(id, 0, Delivered, 1)).await
    ));
    assert!(bench.head(id).await.is_ok(), "reading goes on");

    intruder.execute("ROLLBACK").await.expect("unlocked");
    bench.recovered().await;
    bench.accept(message, Vec::new()).await.expect("accepted");
    bench
        .record(record(id, 0, Delivered, 1))
        .await
        .expect("recorded");
}

#[tokio::test]
async fn a_store_closes_while_it_cannot_be_written() {
    let impatient = Config {
        busy_timeout_s: 0,
        ..Config::default()
    };
    let bench = Bench::sqlite_with(impatient).await;
    let mut intruder = bench.intruder().await;
    intruder.execute("BEGIN IMMEDIATE").await.expect("locked");
    let message = Arc::new(bench.new_message(&["b@example.net"]));
    assert!(is_unavailable(&bench.accept(message, Vec::new()).await));
    let closed = tokio::time::timeout(Duration::from_secs(30), bench.close());
    closed.await.expect("in time");
}

#[tokio::test]
async fn closing_commits_what_waits_and_refuses_what_comes_later() {
    let mut bench = Bench::sqlite().await;
    let messages: Vec<_> = (0..50)
        .map(|_| Arc::new(bench.new_message(&["a@example.net"])))
        .collect();
    let accepts = join_all(
        messages
            .iter()
            .map(|m| bench.accept(Arc::clone(m), Vec::new())),
    );
    let (answers, ()) = tokio::join!(accepts, bench.close());
    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let late = bench.accept(Arc::clone(&messages[0]), Vec::new()).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    assert!(!bench.accepting());
    bench.reopen().await;
    let open = bench.open_messages(None, 100).await.expect("readable");
    assert_eq!(open.len(), accepted);
}

#[tokio::test]
async fn more_than_may_wait_waits_outside_and_passes() {
    let narrow = Config {
        max_waiting_octets: 1000,
        max_waiting_jobs: 2,
        ..Config::default()
    };
    let bench = Bench::sqlite_with(narrow).await;
    let id = bench.ids.next();
    let chunks = (0..30).map(|index| bench.stage_chunk(id, index, Bytes::from(vec![1; 5000])));
    for answer in join_all(chunks).await {
        answer.expect("staged");
    }
    assert_eq!(bench.discard_orphaned_chunks().await.expect("works"), 30);
}

#[tokio::test]
async fn one_server_owns_the_queue() {
    let bench = Bench::sqlite().await;
    let other = bench.another().await;
    let lock = bench.lock_queue().expect("free");
    let refused = other.lock_queue().expect_err("held");
    assert!(matches!(refused, StoreError::QueueLocked { .. }));
    assert!(refused.hint().is_some());
    drop(lock);
    assert!(other.lock_queue().is_ok());
}

#[tokio::test]
async fn a_database_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::sqlite().await;
    for name in ["store.db", "store.db-wal"] {
        let metadata = std::fs::metadata(bench.path().join(name)).expect("there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_explained() {
    let bench = Bench::sqlite().await;
    bench.close().await;
    let folder = bench.path();
    std::fs::write(
        folder.join("text"),
        "not a database, but long enough to look at. ".repeat(9),
    )
    .expect("writable");
    let mut foreign = bench.intruder_at("foreign").await;
    foreign
        .execute("CREATE TABLE other (id INTEGER)")
        .await
        .expect("made");
    let mut newer = bench.intruder().await;
    newer
        .execute("UPDATE schema_version SET version = 9999, usable_from = 9999")
        .await
        .expect("set");
    let cases = [
        ("missing/store.db", "cannot create the store"),
        ("text", "is not a gatepost store"),
        ("foreign", "is not a gatepost store"),
        (
            "store.db",
            "has schema version 9999; this release knows versions up to ",
        ),
    ];
    for (name, expected) in cases {
        let config = Config {
            url: format!("sqlite://{}", folder.join(name).display()).into(),
            ..Config::default()
        };
        let error = Store::open(&config).await.err().expect(name);
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(error.hint().is_some(), "{name}");
    }
}

impl Bench {
    /// A database that is not ours, beside it.
    async fn intruder_at(&self, name: &str) -> SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.path().join(name))
            .create_if_missing(true);
        SqliteConnection::connect_with(&options)
            .await
            .expect("connects")
    }
}
