//! Alerts are counted for a day, told apart by their subject, and forgotten when they are old.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Bench, contract};
use crate::alert::{NewAlert, Severity};
use crate::clock::Timestamp;

contract!(
    the_same_alert_is_counted_for_a_day,
    different_subjects_are_different_alerts,
    a_storm_makes_one_alert,
    an_accepted_message_brings_its_alerts,
    alerts_are_listed_newest_first_and_by_list,
    old_alerts_are_purged,
);

const HOUR: Duration = Duration::from_secs(3600);

fn alert(at: Timestamp) -> NewAlert {
    NewAlert {
        list_id: None,
        kind: "sender-not-authorized".to_owned(),
        severity: Severity::Warning,
        user: "s1_1".to_owned(),
        key: "a@example.com".to_owned(),
        summary: format!("at {at}"),
        at,
    }
}

async fn the_same_alert_is_counted_for_a_day(bench: Bench) {
    let first = Timestamp::now();
    let critical = NewAlert {
        severity: Severity::Critical,
        ..alert(first + HOUR)
    };
    bench.raise(vec![alert(first)]).await.expect("raised");
    bench.raise(vec![critical]).await.expect("raised");
    bench
        .raise(vec![alert(first + 23 * HOUR)])
        .await
        .expect("raised");
    let counted = bench.alerts(None, 10).await.expect("readable");
    assert_eq!(counted.len(), 1);
    assert_eq!(
        (counted[0].count, counted[0].severity),
        (3, Severity::Critical)
    );
    assert_eq!(counted[0].first_at, first);
    assert_eq!(counted[0].last_at, first + 23 * HOUR);
    assert_eq!(counted[0].summary, alert(first + 23 * HOUR).summary);

    bench
        .raise(vec![alert(first + 25 * HOUR)])
        .await
        .expect("raised");
    assert_eq!(bench.alerts(None, 10).await.expect("readable").len(), 2);
}

async fn different_subjects_are_different_alerts(bench: Bench) {
    let list = bench.list("Shop").await;
    let same = alert(Timestamp::now());
    let raised = vec![
        same.clone(),
        NewAlert {
            list_id: Some(list),
            ..same.clone()
        },
        NewAlert {
            kind: "policy-failed".to_owned(),
            ..same.clone()
        },
        NewAlert {
            user: String::new(),
            ..same.clone()
        },
        NewAlert {
            key: "b@example.com".to_owned(),
            ..same.clone()
        },
        same,
    ];
    bench.raise(raised).await.expect("raised");
    let alerts = bench.alerts(None, 10).await.expect("readable");
    assert_eq!(alerts.len(), 5);
    assert_eq!(alerts.iter().map(|alert| alert.count).sum::<i64>(), 6);
}

async fn a_storm_makes_one_alert(bench: Bench) {
    let at = Timestamp::now();
    let raised = join_all((0..500).map(|_| bench.raise(vec![alert(at)]))).await;
    assert!(raised.iter().all(Result::is_ok));
    let alerts = bench.alerts(None, 10).await.expect("readable");
    assert_eq!((alerts.len(), alerts[0].count), (1, 500));
}

async fn an_accepted_message_brings_its_alerts(bench: Bench) {
    let message = bench.new_message(&["a@example.net"]);
    let alerts = vec![alert(Timestamp::now())];
    bench
        .accept(message.into(), alerts)
        .await
        .expect("accepted");
    assert_eq!(bench.alerts(None, 10).await.expect("readable").len(), 1);
}

async fn alerts_are_listed_newest_first_and_by_list(bench: Bench) {
    let list = bench.list("Shop").await;
    let now = Timestamp::now();
    let of_list = NewAlert {
        list_id: Some(list),
        ..alert(now)
    };
    bench
        .raise(vec![alert(now + HOUR), of_list])
        .await
        .expect("raised");
    let all = bench.alerts(None, 10).await.expect("readable");
    let lists: Vec<_> = all.iter().map(|alert| alert.list.as_deref()).collect();
    assert_eq!(lists, [None, Some("Shop")]);
    assert_eq!(bench.alerts(None, 1).await.expect("readable"), all[..1]);
    assert_eq!(
        bench.alerts(Some(list), 10).await.expect("readable"),
        all[1..]
    );
}

async fn old_alerts_are_purged(bench: Bench) {
    let now = Timestamp::now();
    let old = alert(now - 24 * 31 * HOUR);
    bench.raise(vec![old, alert(now)]).await.expect("raised");
    bench.purge(now).await.expect("purged");
    let kept = bench.alerts(None, 10).await.expect("readable");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].last_at, now);
}
