//! Limits over a real store.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;

use super::*;
use crate::accounts::{Allowance, Limit};
use crate::intake::Directory;
use crate::queue::Priority;
use crate::secret::Secret;
use crate::store::{self, NewUser};

/// A store with one user, deleted with it.
struct Bench {
    store: Store,
    limits: Limits,
    principal: Arc<Principal>,
    folder: PathBuf,
}

impl Bench {
    async fn new(hour: u32, own_day: Allowance) -> Self {
        let folder = std::env::temp_dir().join(format!("gatepost-{}", crate::id::session_id()));
        std::fs::create_dir(&folder).expect("the temporary folder is writable");
        let config = store::Config {
            url: format!("sqlite://{}", folder.join("store.db").display()).into(),
            ..store::Config::default()
        };
        let store = Store::open(&config).await.expect("a new store opens");
        let list = store.create_list("Shop").await.expect("a new name");
        let user = NewUser {
            list_id: list.id,
            password_hash: Secret::new(String::new()),
            scram_verifier: None,
            priority: Priority::Normal,
            note: String::new(),
            active: true,
            authorized_domains: String::new(),
            authorized_senders: String::new(),
            policy_settings: crate::accounts::PolicySettings::default(),
            messages_per_hour: Allowance::Default,
            messages_per_day: own_day,
            urgent_per_hour: Allowance::Default,
            urgent_per_day: Allowance::Default,
        };
        let username = store.create_user(user).await.expect("a user").username;
        let limits = Limits::new(store.clone());
        limits.set(Config {
            messages_per_hour: Limit::at_most(hour),
            ..Config::default()
        });
        Self {
            principal: principal(&store, &username).await,
            store,
            limits,
            folder,
        }
    }

    async fn take_place(&self) -> Result<Place, Rejection> {
        let (peer, at) = (peer(), Timestamp::now());
        let priority = Priority::Normal;
        let principal = &self.principal;
        self.limits.take_place(&peer, principal, at, priority).await
    }

    async fn take_urgent_place(&self) -> Place {
        let (peer, at) = (peer(), Timestamp::now());
        let priority = Priority::Highest;
        let principal = &self.principal;
        let place = self.limits.take_place(&peer, principal, at, priority).await;
        place.expect("room")
    }

    async fn facts(&self) -> Vec<(String, String)> {
        let facts = self.limits.facts(&self.principal).await;
        facts.into_iter().map(|it| (it.name, it.value)).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be deleted is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn principal(store: &Store, username: &str) -> Arc<Principal> {
    let directory = Directory::new(store.clone());
    let found = directory.at(directory.ask(), username).await;
    found.expect("readable").expect("it is there")
}

fn peer() -> Peer {
    Peer {
        session_id: "session".to_owned(),
        client: ([192, 0, 2, 7], 5000).into(),
        server_port: 587,
        helo: String::new(),
        is_esmtp: true,
        tls: None,
        mechanism: "PLAIN",
        messages: 0,
        max_hold: std::time::Duration::ZERO,
    }
}

#[tokio::test]
async fn places_that_are_taken_at_once_do_not_pass_the_limit() {
    let bench = Bench::new(10, Allowance::Default).await;
    let places = join_all((0..100).map(|_| bench.take_place())).await;
    assert_eq!(places.iter().filter(|place| place.is_ok()).count(), 10);
    let refused = places.into_iter().find_map(Result::err).expect("some");
    assert_eq!(refused.reply.code(), 451);
    assert!(bench.limits.check(&peer(), &bench.principal).await.is_err());
}

#[tokio::test]
async fn a_place_that_is_given_back_is_taken_again() {
    let bench = Bench::new(1, Allowance::Default).await;
    let place = bench.take_place().await.expect("the only one");
    assert!(bench.take_place().await.is_err());
    place.give_back();
    let _kept = bench.take_place().await.expect("free again");
    assert!(bench.take_place().await.is_err());
}

#[tokio::test]
async fn the_surplus_of_priority_1_is_2_with_one_alert() {
    let bench = Bench::new(0, Allowance::Default).await;
    bench.limits.set(Config {
        urgent_per_hour: Limit::at_most(2),
        ..Config::default()
    });
    let places = join_all((0..5).map(|_| bench.take_urgent_place())).await;
    let mut priorities: Vec<u8> = places.iter().map(|it| it.priority.number()).collect();
    priorities.sort_unstable();
    assert_eq!(priorities, [1, 1, 2, 2, 2]);
    let alerts: Vec<_> = places.iter().flat_map(|it| &it.alerts).collect();
    let [alert] = alerts.as_slice() else {
        panic!("one alert: {alerts:?}");
    };
    assert_eq!(
        (alert.kind.as_str(), alert.key.as_str()),
        ("urgent-budget-used-up", "hour")
    );
    assert!(
        alert.summary.contains("--urgent-per-hour N"),
        "{}",
        alert.summary
    );
}

#[tokio::test]
async fn an_urgent_place_that_is_given_back_is_taken_again() {
    let bench = Bench::new(0, Allowance::Default).await;
    bench.limits.set(Config {
        urgent_per_day: Limit::at_most(1),
        ..Config::default()
    });
    let place = bench.take_urgent_place().await;
    let demoted = bench.take_urgent_place().await;
    assert_eq!(demoted.priority, Priority::High);
    demoted.give_back();
    assert_eq!(bench.take_urgent_place().await.priority, Priority::High);
    place.give_back();
    assert_eq!(bench.take_urgent_place().await.priority, Priority::Highest);
}

#[tokio::test]
async fn policies_are_told_what_was_sent_and_which_limits_there_are() {
    let bench = Bench::new(10, Allowance::Own(Limit::UNLIMITED)).await;
    let _place = bench.take_place().await.expect("room");
    let facts = bench.facts().await;
    let told: Vec<_> = facts
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let expected = [
        ("account.sent-1h", "1"),
        ("account.sent-24h", "1"),
        ("account.limit-1h", "10"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_cannot_be_read_is_no_fact_and_refuses_for_the_moment() {
    let bench = Bench::new(10, Allowance::Default).await;
    bench.store.close().await;
    assert_eq!(bench.facts().await.len(), 1, "the limit alone is known");
    let refused = bench.limits.check(&peer(), &bench.principal).await;
    let refused = refused.expect_err("nothing is known");
    assert_eq!(refused.reply.code(), 451);
    assert!(!refused.is_suspension);
}

#[tokio::test]
async fn a_suspension_is_stored_once_with_its_alert() {
    let bench = Bench::new(1, Allowance::Default).await;
    bench.limits.set(Config {
        messages_per_hour: Limit::at_most(1),
        on_exceeded: OnExceeded::Suspend,
        ..Config::default()
    });
    let _place = bench.take_place().await.expect("room");
    let refused = join_all((0..20).map(|_| bench.take_place())).await;
    let suspensions = refused.into_iter().filter_map(Result::err);
    assert!(suspensions.into_iter().all(|one| one.is_suspension));
    let alerts = bench.store.alerts(None, 10).await.expect("readable");
    let told: Vec<_> = alerts
        .iter()
        .map(|it| (it.kind.as_str(), it.count))
        .collect();
    assert_eq!(told, [("user-suspended", 1)]);
    assert!(
        alerts[0].summary.contains("192.0.2.7"),
        "{}",
        alerts[0].summary
    );
}
