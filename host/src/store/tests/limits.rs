//! What users have sent, and what a suspension does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Bench, RECEIVED, contract, new_user};
use crate::accounts::{Allowance, Limit, Span, Suspension, User};
use crate::alert::{Kind, NewAlert, Severity};
use crate::clock::Timestamp;
use crate::queue::Priority;
use crate::store::Store;
use crate::store::sent::SELECT_USAGE;

contract!(
    accepted_messages_are_counted_for_their_user,
    messages_of_one_commit_are_counted_together,
    a_message_that_is_not_stored_is_not_counted,
    urgent_messages_are_counted_among_the_others,
    notices_are_nobodys,
    counts_outlive_the_process,
    counts_are_purged_when_they_are_a_day_old,
    a_users_own_limits_are_kept,
    a_suspended_user_is_inactive_with_an_alert,
    an_inactive_user_is_not_suspended,
    a_lifted_suspension_begins_with_nothing_sent,
    an_edit_that_has_not_seen_a_suspension_does_not_lift_it,
);

async fn sent(store: &Store, username: &str, now: Timestamp) -> [u32; 2] {
    let usage = store.usage(username, now).await.expect("readable");
    Span::ALL.map(|span| usage.within(span, now))
}

/// Accepts a message of this user.
async fn send(bench: &Bench, username: &str, at: Timestamp) {
    let mut message = bench.new_message(&["a@example.net", "b@example.net"]);
    message.meta.username = username.to_owned();
    message.meta.received_at = at;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
}

async fn accepted_messages_are_counted_for_their_user(bench: Bench) {
    let later = RECEIVED + Duration::from_secs(2 * 3600);
    for (user, at) in [("s1_1", RECEIVED), ("s1_1", later), ("s1_2", later)] {
        send(&bench, user, at).await;
    }
    assert_eq!(sent(&bench, "s1_1", later).await, [1, 2]);
    assert_eq!(sent(&bench, "s1_2", later).await, [1, 1]);
    assert_eq!(sent(&bench, "s1_3", later).await, [0, 0]);
    let next_day = later + Duration::from_secs(25 * 3600);
    assert_eq!(sent(&bench, "s1_1", next_day).await, [0, 0]);
}

async fn messages_of_one_commit_are_counted_together(bench: Bench) {
    let sending = (0..100).map(|number| {
        let user = format!("s1_{}", number % 3);
        let bench = &bench;
        async move { send(bench, &user, RECEIVED).await }
    });
    join_all(sending).await;
    let mut counts = Vec::new();
    for user in ["s1_0", "s1_1", "s1_2"] {
        counts.push(sent(&bench, user, RECEIVED).await[0]);
    }
    assert_eq!(counts, [34, 33, 33]);
}

async fn a_message_that_is_not_stored_is_not_counted(bench: Bench) {
    let message = Arc::new(bench.new_message(&["a@example.net"]));
    let first = bench.accept(Arc::clone(&message), Vec::new());
    let (first, second) = tokio::join!(first, bench.accept(Arc::clone(&message), Vec::new()));
    assert!(first.is_ok() && second.is_err(), "the id is taken");
    let username = &message.meta.username;
    assert_eq!(sent(&bench, username, RECEIVED).await, [1, 1]);
}

async fn urgent_messages_are_counted_among_the_others(mut bench: Bench) {
    let sending = (0..10).map(|number| {
        let mut message = bench.new_message(&["a@example.net"]);
        message.meta.username = "s1_1".to_owned();
        message.meta.received_at = RECEIVED;
        message.meta.priority = if number < 4 {
            Priority::Highest
        } else {
            Priority::High
        };
        bench.accept(Arc::new(message), Vec::new())
    });
    for accepted in join_all(sending).await {
        accepted.expect("accepted");
    }
    bench.reopen().await;
    let usage = bench.usage("s1_1", RECEIVED).await.expect("readable");
    assert_eq!(usage.urgent_within(Span::Hour, RECEIVED), 4);
    assert_eq!(usage.within(Span::Hour, RECEIVED), 10);
}

async fn notices_are_nobodys(bench: Bench) {
    send(&bench, "", RECEIVED).await;
    assert_eq!(sent(&bench, "", RECEIVED).await, [0, 0]);
}

async fn counts_outlive_the_process(mut bench: Bench) {
    send(&bench, "s1_1", RECEIVED).await;
    bench.reopen().await;
    assert_eq!(sent(&bench, "s1_1", RECEIVED).await, [1, 1]);
}

async fn counts_are_purged_when_they_are_a_day_old(bench: Bench) {
    let now = Timestamp::now();
    let ago = |hours: u64| now - Duration::from_secs(hours * 3600);
    for hours in [0, 23, 25, 500] {
        send(&bench, "s1_1", ago(hours)).await;
    }
    bench.purge(RECEIVED).await.expect("purged");
    assert_eq!(sent(&bench, "s1_1", now).await, [1, 2]);
    assert_eq!(sent(&bench, "s1_1", ago(25)).await, [0, 0], "purged");
}

#[tokio::test]
async fn usage_is_found_by_the_primary_key() {
    let bench = Bench::sqlite().await;
    let plan = bench.plan(SELECT_USAGE).await.join("; ");
    assert!(
        plan.contains("SEARCH sent_count USING PRIMARY KEY (slot=? AND username=?)"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN sent_count"), "{plan}");
}

async fn a_users_own_limits_are_kept(bench: Bench) {
    let mut user = user(&bench).await;
    assert_eq!(user.messages_per_hour, Allowance::Default);
    user.messages_per_hour = Allowance::Own(Limit::UNLIMITED);
    user.messages_per_day = Allowance::Own(Limit::at_most(7));
    user.urgent_per_hour = Allowance::Own(Limit::at_most(3));
    user.urgent_per_day = Allowance::Own(Limit::UNLIMITED);
    bench.update_user(&user).await.expect("updated");
    let account = bench.account(&user.username).await.expect("readable");
    assert_eq!(account.map(|account| account.user), Some(user));
}

async fn a_suspended_user_is_inactive_with_an_alert(bench: Bench) {
    let user = user(&bench).await;
    let generation = bench.accounts_generation().await.expect("readable");
    assert!(suspend(&bench, &user).await);
    let suspended = found(&bench, &user).await;
    assert!(!suspended.active);
    assert_eq!(suspended.suspension, Some(suspension()));
    let later = bench.accounts_generation().await.expect("readable");
    assert!(later > generation, "sessions notice");
    let alerts = bench
        .alerts(Some(user.list_id), 10)
        .await
        .expect("readable");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0].severity, Severity::Critical);
}

async fn an_inactive_user_is_not_suspended(bench: Bench) {
    let user = user(&bench).await;
    assert!(suspend(&bench, &user).await);
    assert!(!suspend(&bench, &user).await, "it is already");
    let alerts = bench
        .alerts(Some(user.list_id), 10)
        .await
        .expect("readable");
    assert_eq!(alerts[0].count, 1);
}

async fn a_lifted_suspension_begins_with_nothing_sent(bench: Bench) {
    let user = user(&bench).await;
    let now = Timestamp::now();
    send(&bench, &user.username, now).await;
    send(&bench, "s9_9", now).await;
    suspend(&bench, &user).await;
    let mut edited = found(&bench, &user).await;
    edited.note = "looked at".to_owned();
    bench.update_user(&edited).await.expect("updated");
    let noted = found(&bench, &user).await;
    assert!(!noted.active && noted.suspension.is_some(), "still");
    edited.active = true;
    bench.update_user(&edited).await.expect("updated");
    let lifted = found(&bench, &user).await;
    assert!(lifted.active && lifted.counting_since.is_some());
    assert_eq!(lifted.suspension, None);
    assert_eq!(sent(&bench, &user.username, now).await, [0, 0]);
    assert_eq!(sent(&bench, "s9_9", now).await, [1, 1], "others stay");
}

async fn an_edit_that_has_not_seen_a_suspension_does_not_lift_it(bench: Bench) {
    let mut stale = user(&bench).await;
    suspend(&bench, &stale).await;
    stale.note = "edited at the same time".to_owned();
    bench.update_user(&stale).await.expect("updated");
    let found = found(&bench, &stale).await;
    assert!(!found.active && found.suspension.is_some());
    assert_eq!(found.note, "edited at the same time");
}

async fn user(bench: &Bench) -> User {
    let list = bench.list("Shop").await;
    bench.create_user(new_user(list)).await.expect("a user")
}

async fn found(bench: &Bench, user: &User) -> User {
    let found = bench.user_by_name(&user.username).await.expect("readable");
    found.expect("it is there")
}

fn suspension() -> Suspension {
    Suspension {
        at: RECEIVED,
        reason: "it floods".to_owned(),
    }
}

async fn suspend(bench: &Bench, user: &User) -> bool {
    let (kind, summary) = (Kind::UserSuspended, "it floods".to_owned());
    let alert = NewAlert::new(kind, Severity::Critical, summary, RECEIVED);
    let alert = alert.of(Some(user.list_id), &user.username);
    let done = bench.suspend_user(user.id, suspension(), alert).await;
    done.expect("the store works")
}
