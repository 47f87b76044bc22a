//! What a server does that a file cannot: it goes away and comes back, and others work on it meanwhile.

use std::sync::Arc;

use super::cluster::Cluster;
use super::{Bench, Folder, record, scratch};
use crate::queue::RecipientStatus::Delivered;
use crate::store::{Config, Store, StoreError};

/// A store on a cluster that nobody else uses.
async fn alone(cluster: &Cluster) -> Bench {
    Bench::of(Config::default(), Folder::new(), cluster.database()).await
}

#[tokio::test]
async fn a_server_that_goes_away_is_waited_for() {
    let cluster = Cluster::start(&[]).expect("it starts");
    let bench = alone(&cluster).await;
    let id = bench.accepted(&["a@example.net"]).await;
    cluster.stop("immediate");
    let message = Arc::new(bench.new_message(&["b@example.net"]));
    for _ in 0..3 {
        let answer = bench.accept(Arc::clone(&message), Vec::new()).await;
        assert!(
            matches!(answer, Err(StoreError::Unavailable { .. })),
            "{answer:?}"
        );
        assert!(!bench.accepting());
    }
    assert!(bench.head(id).await.is_err(), "nobody can read");
    cluster.start_again();
    bench.recovered().await;
    bench.accept(message, Vec::new()).await.expect("accepted");
    bench
        .record(record(id, 0, Delivered, 1))
        .await
        .expect("recorded");
    let open = bench.open_messages(None, 10).await.expect("readable");
    assert_eq!(open.len(), 1);
}

#[tokio::test]
async fn reading_goes_on_when_the_server_was_restarted() {
    let cluster = Cluster::start(&[]).expect("it starts");
    let bench = alone(&cluster).await;
    let id = bench.accepted(&["a@example.net"]).await;
    assert!(bench.head(id).await.is_ok());
    cluster.stop("fast");
    cluster.start_again();
    for _ in 0..10 {
        bench.head(id).await.expect("with another connection");
    }
}

#[tokio::test]
async fn another_nodes_change_of_accounts_is_noticed() {
    let bench = Bench::postgres().await;
    let other = bench.another().await;
    let before = bench.accounts_generation().await.expect("readable");
    other.create_list("Shop").await.expect("made");
    let noticed = async {
        while bench.accounts_generation().await.expect("readable") == before {
            tokio::task::yield_now().await;
        }
    };
    let noticed = tokio::time::timeout(std::time::Duration::from_secs(1), noticed);
    noticed.await.expect("within a second");
    other.close().await;
}

#[tokio::test]
async fn one_of_many_nodes_makes_the_schema() {
    let config = Config {
        url: Cluster::shared().database().into(),
        search_index: scratch().join("search"),
        ..Config::default()
    };
    let opened = futures_util::future::join_all((0..4).map(|_| Store::open(&config))).await;
    for store in opened {
        store.expect("it opens").close().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_explained() {
    let cluster = Cluster::shared();
    let foreign = cluster.database();
    let newer = cluster.database();
    let name = |url: &str| {
        let path = url.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    };
    cluster.sql(&name(&foreign), "CREATE TABLE other (id BIGINT)");
    cluster.sql(
        &name(&newer),
        "CREATE TABLE schema_version (version BIGINT); INSERT INTO schema_version VALUES (9999)",
    );
    let wrong_password = cluster
        .tcp_url(&foreign, None)
        .replace(":of-a-test@", ":hunter2@");
    let nobody = cluster.tcp_url(&foreign, Some(1));
    let cases = [
        (foreign, "is not a gatepost store"),
        (newer, "has schema version 9999"),
        (
            wrong_password,
            "cannot open the store postgres://gatepost@127.0.0.1",
        ),
        (
            nobody,
            "cannot open the store postgres://gatepost@127.0.0.1:1/",
        ),
        (cluster.url("nowhere"), "cannot open the store"),
    ];
    for (url, expected) in cases {
        let config = Config {
            url: url.as_str().into(),
            ..Config::default()
        };
        let error = Store::open(&config).await.err().expect("it does not open");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(error.hint().is_some(), "{shown}");
    }
}

#[tokio::test]
async fn the_schema_of_a_newer_release_is_used_if_it_only_adds() {
    let bench = Bench::postgres().await;
    let id = bench.accepted(&["a@example.net"]).await;
    let adds = "ALTER TABLE message ADD COLUMN of_the_future BIGINT NOT NULL DEFAULT 1; \
         UPDATE schema_version SET version = 9999";
    Cluster::shared().sql(bench.database(), adds);
    let other = bench.another().await;
    other.head(id).await.expect("readable");
    other
        .record(record(id, 0, Delivered, 1))
        .await
        .expect("recorded");
    assert!(bench.is_empty().await);
    other.close().await;
    let parts = "UPDATE schema_version SET usable_from = 9999";
    Cluster::shared().sql(bench.database(), parts);
    let error = Store::open(&bench.config).await.err();
    assert!(
        matches!(error, Some(StoreError::NewerSchema { found: 9999, .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_one_that_is_away() {
    let cluster = Cluster::start(&[]).expect("it starts");
    let bench = alone(&cluster).await;
    let read_only = "ALTER SYSTEM SET default_transaction_read_only = on";
    cluster.sql("postgres", read_only);
    cluster.stop("immediate");
    cluster.start_again();
    let message = Arc::new(bench.new_message(&["b@example.net"]));
    let answer = bench.accept(Arc::clone(&message), Vec::new()).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable { .. })),
        "{answer:?}"
    );
    let refused = async {
        loop {
            let answer = bench.accept(Arc::clone(&message), Vec::new()).await;
            let hint = answer.err().and_then(|error| error.hint());
            if hint.is_some_and(|hint| hint.contains("promote it")) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(std::time::Duration::from_secs(30), refused);
    refused.await.expect("it says what to do");
    assert!(!bench.accepting());
}
