//! Where content lies: in the log, in the database when it lingers, and nowhere when it is not needed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Bench, record};
use crate::id::QueueId;
use crate::queue::RecipientStatus::{Deferred, Delivered};
use crate::store::StoreError;

impl Bench {
    fn content_folder(&self) -> PathBuf {
        self.path().join("store.db-content")
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.content_folder()).expect("there is content");
        entries
            .map(|entry| entry.expect("readable").path())
            .collect()
    }

    /// Whether the head of a message is a row.
    async fn is_settled(&self, id: QueueId) -> bool {
        let count: i64 =
            crate::store::sql::query_scalar("SELECT COUNT(*) FROM content WHERE message_id = $1")
                .bind(id.as_i64())
                .fetch_one(&self.shared.readers)
                .await
                .expect("readable");
        count > 0
    }

    async fn sweep(&self) -> u64 {
        self.sweep_content().await.expect("works")
    }
}

#[tokio::test]
async fn a_segment_goes_with_the_last_message_that_needs_it() {
    let mut bench = Bench::sqlite().await;
    let ids = [
        bench.accepted(&["a@example.net"]).await,
        bench.accepted(&["b@example.net"]).await,
    ];
    assert!(!bench.is_settled(ids[0]).await);
    bench
        .record(record(ids[0], 0, Delivered, 1))
        .await
        .expect("recorded");
    assert_eq!(bench.sweep().await, 0, "it is being written");
    bench.reopen().await;
    assert_eq!(bench.sweep().await, 0, "it is needed");
    assert!(bench.head(ids[1]).await.is_ok());
    bench
        .record(record(ids[1], 0, Delivered, 1))
        .await
        .expect("recorded");
    assert_eq!(bench.segments().len(), 1);
    assert_eq!(bench.sweep().await, 1);
    assert_eq!(bench.segments().len(), 0);
}

#[tokio::test]
async fn another_process_deletes_no_segment_that_is_being_written() {
    let bench = Bench::sqlite().await;
    let id = bench.accepted(&["a@example.net"]).await;
    bench
        .record(record(id, 0, Delivered, 1))
        .await
        .expect("recorded");
    let other = bench.another().await;
    assert_eq!(other.sweep_content().await.expect("works"), 0);
    let later = bench.accepted(&["a@example.net"]).await;
    assert_eq!(other.sweep_content().await.expect("works"), 0);
    assert!(other.head(later).await.is_ok());
}

#[tokio::test]
async fn what_a_crash_left_behind_is_gone_at_the_next_start() {
    let bench = Bench::sqlite().await;
    let id = bench.accepted(&["a@example.net"]).await;
    let stray = bench.content_folder().join("0000001800000000");
    std::fs::write(&stray, b"content of a transaction that was not committed").expect("written");
    bench.discard_orphaned_chunks().await.expect("works");
    assert!(!stray.exists());
    assert!(bench.head(id).await.is_ok());
}

#[tokio::test]
async fn what_lingers_moves_into_the_database() {
    let mut bench = Bench::sqlite().await;
    let ids = [
        bench.accepted(&["a@example.net"]).await,
        bench.accepted(&["b@example.net"]).await,
        bench.accepted(&["c@example.net"]).await,
    ];
    let heads = [
        bench.head(ids[0]).await.expect("there"),
        bench.head(ids[1]).await.expect("there"),
    ];
    bench
        .record(record(ids[2], 0, Delivered, 1))
        .await
        .expect("recorded");
    bench
        .record(record(ids[0], 0, Deferred, 1))
        .await
        .expect("recorded");
    bench.reopen().await;
    let name = bench.segments()[0].file_name().map(ToOwned::to_owned);
    let number = name.and_then(|name| name.to_str()?.parse().ok());
    bench
        .settle(number.expect("a number"))
        .await
        .expect("moved");

    assert_eq!(bench.sweep().await, 1);
    assert!(bench.segments().is_empty());
    for (id, head) in ids.iter().zip(&heads) {
        assert_eq!(bench.head(*id).await.expect("there"), *head);
        assert!(bench.is_settled(*id).await);
    }
    assert!(!bench.is_settled(ids[2]).await, "it is finished");
    bench
        .record(record(ids[0], 0, Delivered, 2))
        .await
        .expect("recorded");
    assert!(!bench.is_settled(ids[0]).await);
    assert!(matches!(
        bench.head(ids[0]).await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn damaged_content_is_not_sent_as_a_message() {
    let bench = Bench::sqlite().await;
    let id = bench.accepted(&["a@example.net"]).await;
    let segment = bench.segments().remove(0);
    let octets = std::fs::metadata(&segment).expect("there").len();
    std::fs::write(
        &segment,
        vec![b'x'; usize::try_from(octets).expect("small")],
    )
    .expect("written");
    assert!(matches!(bench.head(id).await, Err(StoreError::Read { .. })));
}

#[tokio::test]
async fn nothing_is_accepted_while_the_log_cannot_be_written() {
    let bench = Bench::sqlite().await;
    // A file where the folder should be: no segment can be made.
    std::fs::write(bench.content_folder(), b"").expect("written");
    let message = Arc::new(bench.new_message(&["a@example.net"]));
    let answer = bench.accept(Arc::clone(&message), Vec::new()).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable { .. })),
        "{answer:?}"
    );
    assert!(!bench.accepting());

    std::fs::remove_file(bench.content_folder()).expect("removed");
    let waited = tokio::time::timeout(Duration::from_secs(30), bench.wait_until_accepting());
    waited.await.expect("in time").expect("not closed");
    bench
        .accept(Arc::clone(&message), Vec::new())
        .await
        .expect("accepted");
    assert_eq!(
        bench.head(message.id).await.expect("there"),
        message.content.head
    );
}

#[tokio::test]
async fn content_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::sqlite().await;
    bench.accepted(&["a@example.net"]).await;
    let mode = |path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(bench.content_folder()), 0o700);
    assert_eq!(mode(bench.segments().remove(0)), 0o600);
}

#[tokio::test]
async fn which_segments_are_needed_is_told_by_an_index_alone() {
    let bench = Bench::sqlite().await;
    let steps = bench.plan(crate::store::sweep::SELECT_NEEDED).await;
    assert!(
        steps[0].contains("USING COVERING INDEX message_open"),
        "{steps:?}"
    );
}

#[tokio::test]
async fn segments_are_swept_while_nothing_is_accepted() {
    let mut bench = Bench::sqlite().await;
    let id = bench.accepted(&["a@example.net"]).await;
    bench
        .record(record(id, 0, Delivered, 1))
        .await
        .expect("recorded");
    bench.reopen().await;
    // Content that cannot be written is what a full disk comes to.
    let segment = bench.segments().remove(0);
    let aside = bench.path().join("aside");
    std::fs::rename(bench.content_folder(), &aside).expect("renamed");
    std::fs::write(bench.content_folder(), b"").expect("written");
    let message = Arc::new(bench.new_message(&["a@example.net"]));
    let answer = bench.accept(message, Vec::new()).await;
    assert!(answer.is_err() && !bench.accepting(), "{answer:?}");
    std::fs::remove_file(bench.content_folder()).expect("removed");
    std::fs::rename(&aside, bench.content_folder()).expect("renamed");
    assert_eq!(bench.sweep().await, 1);
    assert!(!segment.exists());
}
