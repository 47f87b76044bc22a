//! Messages are found by what is known of them, newest first, before and after they are indexed.

use std::sync::Arc;

use super::decisions::{decision, findings};
use super::{Bench, RECEIVED, contract, record};
use crate::clock::Timestamp;
use crate::decision::{Outcome, RefusedHeader};
use crate::id::QueueId;
use crate::queue::RecipientStatus::{Deferred, Delivered, Failed};
use crate::queue::{Command, MessageFilter, MessageStatus};
use crate::store::jobs::Work;
use crate::store::{Search, SearchStatus, Store};

contract!(
    messages_are_found_before_and_after_they_are_indexed,
    refused_messages_stand_among_the_others,
    messages_are_found_by_where_they_stand,
    pages_follow_one_another_without_gaps,
    notices_are_found_when_they_are_finished,
    an_index_that_is_gone_is_made_anew,
    what_is_purged_is_found_no_more,
    an_index_of_another_store_is_made_anew,
    what_ends_later_is_found_in_the_era_it_came_in,
);

type Set<'a> = &'a dyn Fn(&mut Search);

fn search() -> Search {
    Search {
        limit: 50,
        ..Search::default()
    }
}

async fn accepted(bench: &Bench, subject: &str, recipients: &[&str]) -> QueueId {
    let mut message = bench.new_message(recipients);
    subject.clone_into(&mut message.meta.subject);
    let id = message.id;
    let decided = findings(decision(id, 0, Outcome::Accepted), None);
    bench
        .accept(Arc::new(message), decided)
        .await
        .expect("accepted");
    id
}

async fn refused(bench: &Bench, subject: &str) -> QueueId {
    let id = bench.ids.next();
    let mut decided = decision(id, 0, Outcome::Rejected);
    decided.about.header = Some(RefusedHeader {
        subject: subject.to_owned(),
        message_id: "<refused@example.com>".to_owned(),
    });
    bench.keep(findings(decided, None)).await.expect("kept");
    id
}

async fn found(store: &Store, search: &Search) -> Vec<QueueId> {
    let (mut all, mut search) = (Vec::new(), search.clone());
    loop {
        let page = store.search(&search).await.expect("searched");
        all.extend(page.messages.iter().map(|message| message.id()));
        // On a busy machine a page may end before it is full.
        match page.next {
            Some(_) => search.before = page.next,
            None => return all,
        }
    }
}

/// What is finished is sealed by the statistics, and then known to the index.
async fn index(store: &Store) {
    for _ in 0..3 {
        while store.sum_up().await.expect("counted") {}
        while store.index().await.expect("indexed") {}
    }
}

async fn messages_are_found_before_and_after_they_are_indexed(bench: Bench) {
    let first = accepted(&bench, "Invoice 41", &["ann@example.net"]).await;
    let second = accepted(
        &bench,
        "Invoice 42",
        &["ben@example.org", "cat@example.net"],
    )
    .await;
    let cases: [(Set, &[QueueId]); 14] = [
        (&|_| {}, &[second, first]),
        (&|it| it.list = Some(7), &[second, first]),
        (&|it| it.list = Some(8), &[]),
        (
            &|it| it.recipient = Some("@example.net".to_owned()),
            &[second, first],
        ),
        (
            &|it| it.recipient = Some("cat@example.net".to_owned()),
            &[second],
        ),
        (&|it| it.recipient = Some("ann".to_owned()), &[first]),
        (
            &|it| it.sender = Some("shop@example.com".to_owned()),
            &[second, first],
        ),
        (
            &|it| it.sender = Some("info@shop.example.com".to_owned()),
            &[second, first],
        ),
        (&|it| it.subject = Some("42 invoice".to_owned()), &[second]),
        (
            &|it| it.message_id = Some("1@example.com".to_owned()),
            &[second, first],
        ),
        (&|it| it.user = Some("s7_1".to_owned()), &[second, first]),
        (&|it| it.id = Some(first), &[first]),
        (&|it| it.before = Some(second), &[first]),
        (
            &|it| {
                it.until = Some(Timestamp::from_millis(
                    RECEIVED.as_millis() - 1_000_000_000_000,
                ))
            },
            &[],
        ),
    ];
    for when in ["before", "after"] {
        for (place, (set, expected)) in cases.iter().enumerate() {
            let mut search = search();
            set(&mut search);
            assert_eq!(
                found(&bench, &search).await,
                *expected,
                "{when}, case {place}"
            );
        }
        index(&bench).await;
    }
}

async fn refused_messages_stand_among_the_others(bench: Bench) {
    let first = accepted(&bench, "Hello", &["ann@example.net"]).await;
    let second = refused(&bench, "Hello again").await;
    let third = accepted(&bench, "Hello too", &["ann@example.net"]).await;
    for _ in 0..2 {
        let hello = Search {
            subject: Some("hello".to_owned()),
            recipient: Some("ann@example.net".to_owned()),
            ..search()
        };
        assert_eq!(found(&bench, &hello).await, [third, second, first]);
        let refused = Search {
            status: Some(SearchStatus::Refused),
            ..search()
        };
        assert_eq!(found(&bench, &refused).await, [second]);
        let by_id = Search {
            message_id: Some("refused@example.com".to_owned()),
            ..search()
        };
        assert_eq!(found(&bench, &by_id).await, [second]);
        index(&bench).await;
    }
}

async fn messages_are_found_by_where_they_stand(bench: Bench) {
    let queued = accepted(&bench, "a", &["ann@example.net"]).await;
    let deferred = accepted(&bench, "a", &["ann@example.net"]).await;
    let delivered = accepted(&bench, "a", &["ann@example.net"]).await;
    let failed = accepted(&bench, "a", &["ann@example.net"]).await;
    let partial = accepted(&bench, "a", &["ann@example.net", "ben@example.net"]).await;
    let held = accepted(&bench, "a", &["ann@example.net"]).await;
    let cancelled = accepted(&bench, "a", &["ann@example.net"]).await;
    // Indexed while they are open, so that their ends must be noticed.
    index(&bench).await;
    for (id, recipient, status) in [
        (deferred, 0, Deferred),
        (delivered, 0, Delivered),
        (failed, 0, Failed),
        (partial, 0, Delivered),
        (partial, 1, Failed),
    ] {
        let recorded = bench.record(record(id, recipient, status, 1)).await;
        recorded.expect("recorded");
    }
    let this = |id| MessageFilter {
        ids: Some(vec![id]),
        ..MessageFilter::default()
    };
    let hold = Command::Hold("why not".to_owned());
    bench.order(&this(held), &hold, "root").await.expect("held");
    let deleted = bench
        .order(&this(cancelled), &Command::Delete, "root")
        .await;
    deleted.expect("deleted");
    index(&bench).await;
    for (status, expected) in [
        (MessageStatus::Queued, queued),
        (MessageStatus::Deferred, deferred),
        (MessageStatus::Delivered, delivered),
        (MessageStatus::Failed, failed),
        (MessageStatus::Partial, partial),
        (MessageStatus::Held, held),
        (MessageStatus::Cancelled, cancelled),
    ] {
        for subject in [None, Some("A".to_owned())] {
            let search = Search {
                status: Some(SearchStatus::Is(status)),
                list: Some(7),
                subject,
                ..search()
            };
            assert_eq!(found(&bench, &search).await, [expected], "{status}");
        }
    }
}

async fn pages_follow_one_another_without_gaps(bench: Bench) {
    let mut expected = Vec::new();
    for number in 0..23 {
        if number == 11 {
            index(&bench).await;
        }
        expected.push(match number % 3 {
            0 => refused(&bench, "Hello").await,
            _ => accepted(&bench, "Hello", &["ann@example.net"]).await,
        });
    }
    expected.reverse();
    let mut search = Search {
        limit: 5,
        ..search()
    };
    let mut all = Vec::new();
    loop {
        let page = bench.search(&search).await.expect("searched");
        all.extend(page.messages.iter().map(|message| message.id()));
        let Some(next) = page.next else { break };
        assert!(page.messages.len() == 5 || page.is_cut);
        search.before = Some(next);
    }
    assert_eq!(all, expected);
}

async fn notices_are_found_when_they_are_finished(bench: Bench) {
    let mut notice = bench.new_message(&["shop@example.com"]);
    notice.meta.username = String::new();
    notice.meta.reverse_path = None;
    let id = notice.id;
    let stored = bench.accept(Arc::new(notice), Vec::new()).await;
    stored.expect("accepted");
    let recorded = bench.record(record(id, 0, Delivered, 1)).await;
    recorded.expect("recorded");
    index(&bench).await;
    let from_nobody = Search {
        sender: Some("<>".to_owned()),
        ..search()
    };
    assert_eq!(found(&bench, &from_nobody).await, [id]);
}

async fn an_index_that_is_gone_is_made_anew(mut bench: Bench) {
    let id = accepted(&bench, "Hello", &["ann@example.net"]).await;
    index(&bench).await;
    bench.close().await;
    std::fs::remove_file(&bench.shared.search_index).expect("there was an index");
    bench.reopen().await;
    assert_eq!(found(&bench, &search()).await, [id]);
    index(&bench).await;
    assert_eq!(found(&bench, &search()).await, [id]);
}

async fn what_is_purged_is_found_no_more(bench: Bench) {
    let id = accepted(&bench, "Hello", &["ann@example.net"]).await;
    let recorded = bench.record(record(id, 0, Failed, 1)).await;
    recorded.expect("recorded");
    let newer = accepted(&bench, "Hello", &["ann@example.net"]).await;
    index(&bench).await;
    let hello = Search {
        subject: Some("hello".to_owned()),
        ..search()
    };
    assert_eq!(found(&bench, &hello).await, [newer, id]);
    let later = Timestamp::from_millis(i64::MAX);
    assert_eq!(bench.purge(later).await.expect("purged"), 1);
    let forget = "DELETE FROM decision WHERE seq = 1";
    bench.write(Work::Command(forget)).await.expect("forgotten");
    assert_eq!(found(&bench, &hello).await, [newer]);
    bench.tidy_index().await.expect("tidied");
    assert_eq!(found(&bench, &hello).await, [newer]);
}

async fn an_index_of_another_store_is_made_anew(bench: Bench) {
    for _ in 0..3 {
        accepted(&bench, "Old", &["ann@example.net"]).await;
    }
    index(&bench).await;
    // As if an older copy of the store had been put back.
    let back = "DELETE FROM decision WHERE seq > 1; DELETE FROM message WHERE id NOT IN (SELECT id FROM decision)";
    bench.write(Work::Command(back)).await.expect("put back");
    index(&bench).await;
    let new = accepted(&bench, "New", &["ann@example.net"]).await;
    index(&bench).await;
    let search = Search {
        subject: Some("new".to_owned()),
        ..search()
    };
    assert_eq!(found(&bench, &search).await, [new]);
}

async fn what_ends_later_is_found_in_the_era_it_came_in(bench: Bench) {
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(accepted(&bench, "Hello", &["ann@example.net"]).await);
        index(&bench).await;
    }
    // Indexed once more, long after its era was full.
    let recorded = bench.record(record(ids[1], 0, Failed, 1)).await;
    recorded.expect("recorded");
    index(&bench).await;
    let failed = Search {
        status: Some(SearchStatus::Is(MessageStatus::Failed)),
        ..search()
    };
    assert_eq!(found(&bench, &failed).await, [ids[1]]);
    ids.reverse();
    assert_eq!(found(&bench, &search()).await, ids);
}
