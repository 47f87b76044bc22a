//! A store that is copied has everything the other had.

use super::cluster::Cluster;
use super::{Bench, new_user, record, scratch};
use crate::queue::RecipientStatus::{Deferred, Delivered};
use crate::store::{Config, Store, StoreError};

/// Something of everything that a relay keeps.
async fn fill(bench: &Bench) -> Vec<crate::id::QueueId> {
    let list = bench.list("Shop").await;
    let gone = bench.list("Gone").await;
    bench.delete_list(gone).await.expect("deleted");
    bench.create_user(new_user(list)).await.expect("made");
    let mut ids = Vec::new();
    for number in 0..40 {
        let id = bench.accepted(&["a@example.net", "b@example.net"]).await;
        let status = if number % 2 == 0 { Delivered } else { Deferred };
        bench
            .record(record(id, 0, status, 1))
            .await
            .expect("recorded");
        ids.push(id);
    }
    for _ in 0..3 {
        while bench.sum_up().await.expect("counted") {}
    }
    ids
}

fn at(url: &str) -> Config {
    Config {
        url: url.into(),
        search_index: scratch().join("search"),
        ..Config::default()
    }
}

async fn look(config: &Config, ids: &[crate::id::QueueId]) {
    let store = Store::open(config).await.expect("it opens");
    for &id in ids {
        let head = store.head(id).await.expect("there is content");
        assert!(head.starts_with(format!("Subject: {id}").as_bytes()));
    }
    let open = store.open_messages(None, 1000).await.expect("readable");
    assert_eq!(open.len(), ids.len());
    // Number 2 was given before.
    assert_eq!(store.create_list("New").await.expect("made").id, 3);
    store.close().await;
}

#[tokio::test]
async fn everything_goes_to_a_server_and_back() {
    let bench = Bench::sqlite().await;
    let ids = fill(&bench).await;
    bench.close().await;
    let server = at(&Cluster::shared().database());
    let mut tables = Vec::new();
    let copied = Store::copy(&bench.config, &server, |table, _| {
        tables.push(table.to_owned())
    });
    let copied = copied.await.expect("copied");
    assert_eq!((copied.messages, copied.lists, copied.users), (40, 1, 1));
    assert!(
        tables.iter().any(|table| table == "recipient"),
        "{tables:?}"
    );
    let folder = scratch();
    let file = at(&format!("sqlite://{}", folder.join("back.db").display()));
    let back = Store::copy(&server, &file, |_, _| {}).await;
    assert_eq!(back.expect("copied"), copied);
    look(&server, &ids).await;
    look(&file, &ids).await;
}

#[tokio::test]
async fn what_must_not_be_copied_is_refused() {
    let bench = Bench::sqlite().await;
    fill(&bench).await;
    let lock = bench.lock_queue().expect("free");
    let empty = at(&Cluster::shared().database());
    let running = Store::copy(&bench.config, &empty, |_, _| {}).await;
    assert!(
        matches!(running, Err(StoreError::QueueLocked { .. })),
        "{running:?}"
    );
    drop(lock);
    bench.close().await;
    let missing = at("sqlite:///nowhere/at-all.db");
    let missing = Store::copy(&missing, &empty, |_, _| {}).await;
    assert!(
        matches!(missing, Err(StoreError::Missing { .. })),
        "{missing:?}"
    );
    let used = Bench::postgres().await;
    let busy = Store::copy(&bench.config, &used.config, |_, _| {}).await;
    assert!(matches!(busy, Err(StoreError::Busy { .. })), "{busy:?}");
    used.list("Other").await;
    used.close().await;
    let full = Store::copy(&bench.config, &used.config, |_, _| {}).await;
    assert!(matches!(full, Err(StoreError::NotEmpty { .. })), "{full:?}");
}
