//! Alerts are counted for a day, told apart by their subject, and forgotten when they are old.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Bench, contract};
use crate::alert::{About, AlertFilter, AlertSettings, Group, Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::NewMessage;
use crate::store::Told;

contract!(
    the_same_alert_is_counted_for_a_day,
    different_subjects_are_different_alerts,
    a_storm_makes_one_alert,
    what_two_nodes_raise_at_once_is_one_alert,
    an_accepted_message_brings_its_alerts,
    alerts_are_listed_newest_first_and_by_list,
    old_alerts_are_purged,
    alerts_are_found_by_group_and_name_their_message,
    what_is_told_is_noted_with_its_mail_and_told_once,
    a_deleted_list_takes_its_settings_along,
);

const HOUR: Duration = Duration::from_secs(3600);

fn alert(at: Timestamp) -> NewAlert {
    let summary = format!("at {at}");
    let alert = NewAlert::new(Kind::SenderNotAuthorized, Severity::Warning, summary, at);
    alert.of(None, "s1_1").keyed("a@example.com")
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

async fn what_two_nodes_raise_at_once_is_one_alert(bench: Bench) {
    let other = bench.another().await;
    let at = Timestamp::now();
    // Each of the two in an order of its own.
    let round = |number: u32, is_reversed: bool| {
        let mut alerts: Vec<NewAlert> = (0..5)
            .map(|place| alert(at).keyed(format!("{number}-{place}")))
            .collect();
        if is_reversed {
            alerts.reverse();
        }
        alerts
    };
    for number in 0..20 {
        let (first, second) = tokio::join!(
            bench.raise(round(number, false)),
            other.raise(round(number, true))
        );
        first.and(second).expect("raised by both");
    }
    let alerts = bench.alerts(None, 1000).await.expect("readable");
    assert_eq!(alerts.len(), 100);
    assert!(alerts.iter().all(|alert| alert.count == 2));
    other.close().await;
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
            kind: Kind::PolicyFailure,
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

async fn alerts_are_found_by_group_and_name_their_message(bench: Bench) {
    let now = Timestamp::now();
    let about = About {
        message: Some(QueueId::from_i64(7)),
        sender: "ceo@example.net".to_owned(),
        rule: "sender-rules/unauthorized-block".to_owned(),
    };
    let named = alert(now).about(about.clone());
    let summary = "a unicorn".to_owned();
    let (own, severity) = (Kind::of_policy("seen-a-unicorn"), Severity::Info);
    let own = NewAlert::new(own, severity, summary, now);
    bench.raise(vec![named, own]).await.expect("raised");
    let of = |group| AlertFilter {
        list: Some(None),
        group: Some(group),
        before: None,
        limit: 10,
    };
    let found = bench.alerts_of(&of(Group::UnauthorizedSender)).await;
    let found = found.expect("readable");
    assert_eq!((found.len(), &found[0].about), (1, &about));
    let found = bench.alerts_of(&of(Group::Policy)).await.expect("readable");
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "seen-a-unicorn"));
    let none = bench.alerts_of(&of(Group::Bounce)).await.expect("readable");
    assert!(none.is_empty());
    let after = AlertFilter {
        group: None,
        before: Some((now, found[0].id)),
        ..of(Group::Policy)
    };
    assert_eq!(bench.alerts_of(&after).await.expect("readable").len(), 1);
}

/// A message by which the relay tells of alerts.
fn mail(bench: &Bench) -> Arc<NewMessage> {
    Arc::new(bench.new_message(&["admin@example.com"]))
}

async fn what_is_told_is_noted_with_its_mail_and_told_once(bench: Bench) {
    let now = Timestamp::now();
    let list = Some(bench.list("Shop").await);
    let shop = alert(now).of(list, "s1_1");
    bench.raise(vec![shop.clone()]).await.expect("raised");
    let settings = AlertSettings {
        recipients: vec!["admin@example.com".to_owned()],
        ..AlertSettings::default()
    };
    assert!(bench.untold_alerts().await.expect("readable").is_empty());
    let set = bench.set_alert_settings(list, settings.clone()).await;
    set.expect("set");
    assert_eq!(
        bench.alert_settings(list).await.expect("readable"),
        settings
    );
    // What happened before somebody was named is told to nobody.
    assert!(bench.untold_alerts().await.expect("readable").is_empty());
    bench.raise(vec![shop]).await.expect("raised");
    bench.alerts(None, 1).await.expect("what waits is stored");
    let untold = bench.untold_alerts().await.expect("readable");
    assert_eq!(
        (untold.len(), untold[0].alert.count, untold[0].done),
        (1, 2, 1)
    );
    let told = vec![Told {
        alert: untold[0].alert.id,
        count: 2,
    }];
    let taken = mail(&bench);
    let tell = |message| bench.tell_by_mail(list, message, told.clone(), now);
    tell(taken.clone()).await.expect("told");
    assert!(bench.untold_alerts().await.expect("readable").is_empty());
    assert_eq!(
        bench.newest_message().await.expect("readable"),
        Some(taken.id)
    );
    let before = now - Duration::from_secs(1);
    let mails = bench.alert_mails(before).await.expect("readable");
    assert_eq!(mails, [(list, now)]);
    // The id is taken: neither the mail nor the note.
    tell(taken).await.expect_err("refused");
    assert_eq!(bench.alert_mails(before).await.expect("readable").len(), 1);
}

async fn a_deleted_list_takes_its_settings_along(bench: Bench) {
    let list = bench.list("Shop").await;
    let (before, _) = bench.alerts_generation().await.expect("readable");
    let set = bench.set_alert_settings(Some(list), AlertSettings::default());
    set.await.expect("set");
    let (after, _) = bench.alerts_generation().await.expect("readable");
    assert!(after > before);
    bench.delete_list(list).await.expect("deleted");
    let left = bench.all_alert_settings().await.expect("readable");
    assert!(left.is_empty());
}
