//! Sums of what happened: each thing once, whoever counts and whenever it is recorded.

use std::sync::Arc;
use std::time::Duration;

use super::decisions::{decision, findings};
use super::{Bench, RECEIVED, contract, record};
use crate::clock::Timestamp;
use crate::decision::Outcome;
use crate::id::QueueId;
use crate::queue::RecipientStatus::{self, Deferred, Delivered, Expired, Failed};
use crate::queue::{Command, MessageFilter, Priority};
use crate::statistics::{Dimension, Span, Sums, Waits, buckets};
use crate::store::jobs::Work;
use crate::store::{Period, Store};

contract!(
    what_happens_is_summed_up_by_hour_and_by_day,
    recipients_count_when_they_are_served_not_when_the_last_one_is,
    an_attempt_that_is_recorded_twice_counts_once,
    what_the_relay_writes_itself_is_nobodys_mail,
    two_who_count_at_the_same_time_count_once,
    a_clock_that_was_set_back_hides_nothing,
    what_was_there_before_is_counted,
    decisions_that_are_purged_make_no_number_twice,
    what_was_withdrawn_is_not_a_bounce,
    names_beyond_the_limit_are_told_together,
    sums_are_read_for_the_period_and_the_list,
    a_whole_month_is_read_as_one,
);

const DAY: Duration = Duration::from_secs(86_400);
const WHOLE: Period = Period {
    from: RECEIVED,
    until: Timestamp::from_millis(RECEIVED.as_millis() + 3 * 86_400_000),
};

/// Accepts a message as a client's, with its decision.
async fn accepted(bench: &Bench, recipients: &[&str]) -> QueueId {
    let message = bench.new_message(recipients);
    let id = message.id;
    let mut decided = decision(id, 0, Outcome::Accepted);
    decided.about.recipient_count = u32::try_from(recipients.len()).expect("few");
    let accepted = bench
        .accept(Arc::new(message), findings(decided, None))
        .await;
    accepted.expect("accepted");
    id
}

async fn attempt(
    bench: &Bench,
    id: QueueId,
    recipient: u32,
    status: RecipientStatus,
    minutes: u64,
) {
    let recorded = bench.record(record(id, recipient, status, minutes)).await;
    recorded.expect("recorded");
}

/// Counts until nothing is left: what is sealed by one step is counted by the next.
async fn sum_up(store: &Store) {
    for _ in 0..4 {
        while store.sum_up().await.expect("counted") {}
    }
}

async fn sums(store: &Store, span: Span) -> (Sums, Waits) {
    let rows = store.statistics(Some(7), span, WHOLE).await;
    let (mut sums, mut waits) = (Sums::default(), Waits::default());
    for row in rows.expect("readable") {
        sums.add(&row.sums);
        waits.add(&row.waits);
    }
    (sums, waits)
}

async fn what_happens_is_summed_up_by_hour_and_by_day(bench: Bench) {
    let id = accepted(&bench, &["ann@example.net", "ben@example.net"]).await;
    let refused = decision(bench.ids.next(), 5, Outcome::Rejected);
    bench.keep(findings(refused, None)).await.expect("kept");
    let for_now = decision(bench.ids.next(), 5, Outcome::Deferred);
    bench.keep(findings(for_now, None)).await.expect("kept");
    attempt(&bench, id, 0, Delivered, 1).await;
    attempt(&bench, id, 1, Deferred, 1).await;
    attempt(&bench, id, 1, Expired, 61).await;
    sum_up(&bench).await;
    let expected = Sums {
        accepted: 1,
        recipients: 2,
        octets: bench
            .message(id)
            .await
            .expect("readable")
            .expect("kept")
            .summary
            .size,
        blocked: 1,
        delivered: 1,
        deferred: 1,
        bounced: 1,
    };
    for span in Span::ALL {
        let (sums, waits) = sums(&bench, span).await;
        assert_eq!(sums, expected, "{span:?}");
        assert_eq!((waits.count(), waits.total_ms), (1, 60_000));
    }
    let hours = bench.statistics(Some(7), Span::Hour, WHOLE).await;
    let hours: Vec<_> = hours
        .expect("readable")
        .into_iter()
        .map(|row| (row.start, row.priority, row.sums.bounced))
        .collect();
    let start = Span::Hour.start(RECEIVED);
    let next = start + Duration::from_secs(3600);
    assert_eq!(
        hours,
        [(start, Priority::High, 0), (next, Priority::High, 1)]
    );
    for (dimension, name, blocked) in [
        (Dimension::User, "s7_1", 1),
        (Dimension::Sender, "shop@example.com", 0),
        (Dimension::Subject, "Grüße", 0),
    ] {
        let rows = bench.statistics_by(7, dimension, WHOLE, 10).await;
        let rows = rows.expect("readable");
        let row = rows.iter().find(|row| row.key == name);
        let sums = row.expect("told apart").sums;
        assert_eq!((sums.accepted, sums.blocked, sums.bounced), (1, blocked, 1));
    }
}

async fn recipients_count_when_they_are_served_not_when_the_last_one_is(bench: Bench) {
    let id = accepted(&bench, &["ann@example.net", "ben@example.net"]).await;
    attempt(&bench, id, 0, Delivered, 1).await;
    sum_up(&bench).await;
    assert_eq!(sums(&bench, Span::Day).await.0.delivered, 1);
    attempt(&bench, id, 1, Failed, 2).await;
    sum_up(&bench).await;
    let (sums, _) = sums(&bench, Span::Day).await;
    assert_eq!((sums.delivered, sums.bounced, sums.deferred), (1, 1, 0));
}

async fn an_attempt_that_is_recorded_twice_counts_once(bench: Bench) {
    let id = accepted(&bench, &["ann@example.net"]).await;
    for _ in 0..2 {
        attempt(&bench, id, 0, Deferred, 1).await;
        sum_up(&bench).await;
    }
    for _ in 0..2 {
        attempt(&bench, id, 0, Delivered, 9).await;
        sum_up(&bench).await;
    }
    let (sums, _) = sums(&bench, Span::Day).await;
    assert_eq!((sums.deferred, sums.delivered), (1, 1));
}

async fn what_the_relay_writes_itself_is_nobodys_mail(bench: Bench) {
    let mut notice = bench.new_message(&["shop@example.com"]);
    notice.meta.username = String::new();
    let id = notice.id;
    let stored = bench.accept(Arc::new(notice), Vec::new()).await;
    stored.expect("accepted");
    attempt(&bench, id, 0, Deferred, 1).await;
    attempt(&bench, id, 0, Delivered, 2).await;
    sum_up(&bench).await;
    assert!(sums(&bench, Span::Day).await.0.is_empty());
}

async fn two_who_count_at_the_same_time_count_once(bench: Bench) {
    let other = bench.another().await;
    for _ in 0..40 {
        let id = accepted(&bench, &["ann@example.net"]).await;
        attempt(&bench, id, 0, Delivered, 1).await;
        let (one, two) = tokio::join!(bench.sum_up(), other.sum_up());
        one.expect("counted");
        two.expect("counted");
    }
    sum_up(&other).await;
    let (sums, _) = sums(&bench, Span::Day).await;
    assert_eq!((sums.accepted, sums.delivered), (40, 40));
    other.close().await;
}

async fn a_clock_that_was_set_back_hides_nothing(bench: Bench) {
    let tomorrow =
        "UPDATE ledger SET finished_sealed = 4000000000000, finished_until = 4000000000000";
    bench.write(Work::Command(tomorrow)).await.expect("set");
    let id = accepted(&bench, &["ann@example.net"]).await;
    attempt(&bench, id, 0, Delivered, 1).await;
    // The seal moves on with what is finished after it.
    let seal = "UPDATE ledger SET finished_sealed = 4000000000001";
    bench.write(Work::Command(seal)).await.expect("set");
    sum_up(&bench).await;
    assert_eq!(sums(&bench, Span::Day).await.0.delivered, 1);
}

async fn what_was_there_before_is_counted(bench: Bench) {
    let id = accepted(&bench, &["ann@example.net", "ben@example.net"]).await;
    attempt(&bench, id, 0, Deferred, 1).await;
    attempt(&bench, id, 0, Delivered, 2).await;
    // As an earlier release left it, which noted no attempts for the statistics.
    let forget = "DELETE FROM open_attempt";
    bench.write(Work::Command(forget)).await.expect("forgotten");
    attempt(&bench, id, 1, Delivered, 3).await;
    sum_up(&bench).await;
    let (sums, _) = sums(&bench, Span::Day).await;
    assert_eq!((sums.delivered, sums.deferred), (2, 1));
}

async fn decisions_that_are_purged_make_no_number_twice(bench: Bench) {
    let everything = crate::decision::Retention {
        decisions_before: Timestamp::from_millis(i64::MAX),
        max_decisions: 0,
        requests_before: Timestamp::from_millis(0),
        max_request_octets: u64::MAX,
    };
    for _ in 0..3 {
        accepted(&bench, &["ann@example.net"]).await;
        sum_up(&bench).await;
        bench.purge_decisions(everything).await.expect("purged");
    }
    assert_eq!(sums(&bench, Span::Day).await.0.accepted, 3);
}

async fn what_was_withdrawn_is_not_a_bounce(bench: Bench) {
    let id = accepted(&bench, &["ann@example.net"]).await;
    attempt(&bench, id, 0, Deferred, 1).await;
    let this = MessageFilter {
        ids: Some(vec![id]),
        ..MessageFilter::default()
    };
    let deleted = bench.order(&this, &Command::Delete, "root").await;
    deleted.expect("deleted");
    sum_up(&bench).await;
    let (sums, _) = sums(&bench, Span::Day).await;
    assert_eq!((sums.deferred, sums.bounced, sums.delivered), (1, 0, 0));
}

async fn names_beyond_the_limit_are_told_together(bench: Bench) {
    for number in 0..150 {
        let mut decided = decision(bench.ids.next(), 0, Outcome::Rejected);
        decided.about.username = format!("s7_{number}");
        bench.keep(findings(decided, None)).await.expect("kept");
        if number % 10 == 0 {
            sum_up(&bench).await;
        }
    }
    sum_up(&bench).await;
    let rows = bench.statistics_by(7, Dimension::User, WHOLE, 1000).await;
    let rows = rows.expect("readable");
    // A step may tell a few more apart, for it looks before it writes.
    assert!((100..=111).contains(&rows.len()), "{}", rows.len());
    let last = rows.last().expect("rows");
    assert_eq!(last.key, "");
    assert_eq!(last.sums.blocked, 151 - rows.len() as u64);
}

async fn sums_are_read_for_the_period_and_the_list(bench: Bench) {
    accepted(&bench, &["ann@example.net"]).await;
    sum_up(&bench).await;
    let later = Period {
        from: RECEIVED + DAY,
        until: WHOLE.until,
    };
    for (list, period, rows) in [
        (Some(7), WHOLE, 1),
        (None, WHOLE, 1),
        (Some(8), WHOLE, 0),
        (Some(7), later, 0),
    ] {
        for span in Span::ALL {
            let found = bench.statistics(list, span, period).await;
            assert_eq!(found.expect("readable").len(), rows, "{list:?} {span:?}");
        }
    }
    let by_user = bench.statistics_by(7, Dimension::User, later, 10).await;
    assert!(by_user.expect("readable").is_empty());
}

async fn a_whole_month_is_read_as_one(bench: Bench) {
    accepted(&bench, &["ann@example.net"]).await;
    sum_up(&bench).await;
    let month = buckets::month(RECEIVED);
    let period = Period {
        from: month,
        until: buckets::month(month + 32 * DAY),
    };
    let part = Period {
        until: period.until - DAY,
        ..period
    };
    for (period, rows) in [(period, 1), (part, 1)] {
        let found = bench.statistics_by(7, Dimension::User, period, 10).await;
        assert_eq!(found.expect("readable").len(), rows);
    }
    let forget = "DELETE FROM statistic_key";
    bench.write(Work::Command(forget)).await.expect("forgotten");
    for (period, rows) in [(period, 1), (part, 0)] {
        let found = bench.statistics_by(7, Dimension::User, period, 10).await;
        assert_eq!(found.expect("readable").len(), rows);
    }
}

#[tokio::test]
async fn old_sums_are_purged() {
    let bench = Bench::sqlite().await;
    accepted(&bench, &["ann@example.net"]).await;
    sum_up(&bench).await;
    bench
        .purge(Timestamp::from_millis(0))
        .await
        .expect("purged");
    assert_eq!(sums(&bench, Span::Hour).await.0.accepted, 1);
    let later = RECEIVED + 36 * DAY;
    bench.purge_statistics(later).await.expect("purged");
    assert_eq!(sums(&bench, Span::Hour).await.0.accepted, 0);
    assert_eq!(sums(&bench, Span::Day).await.0.accepted, 1);
    let much_later = RECEIVED + 435 * DAY;
    bench.purge_statistics(much_later).await.expect("purged");
    assert_eq!(sums(&bench, Span::Day).await.0.accepted, 0);
    let by_user = bench.statistics_by(7, Dimension::User, WHOLE, 10).await;
    assert!(by_user.expect("readable").is_empty());
    let month = buckets::month(RECEIVED);
    let whole_month = Period {
        from: month,
        until: buckets::month(month + 32 * DAY),
    };
    let by_user = bench.statistics_by(7, Dimension::User, whole_month, 10);
    assert!(by_user.await.expect("readable").is_empty());
}
