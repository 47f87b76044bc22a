//! From the commit that accepts a message to the purge that forgets it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Bench, RECEIVED, contract, message, record};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{
    MessageFilter, MessageStatus, OpenMessage,
    RecipientStatus::{self, Cancelled, Deferred, Delivered, Failed},
};
use crate::store::StoreError;

contract!(
    an_accepted_message_is_open_and_complete,
    reopening_keeps_everything,
    a_null_reverse_path_stays_null,
    a_taken_id_is_refused_and_spoils_nothing,
    a_dropped_caller_takes_nobody_along,
    open_messages_come_in_pages,
    a_deferred_recipient_stays_open,
    a_message_is_finished_with_its_last_recipient,
    recording_twice_counts_once,
    attempts_are_told_a_page_at_a_time_the_latest_first,
    what_is_settled_stays_settled_unless_it_was_delivered,
    chunks_are_kept_with_their_message,
    discarded_and_orphaned_chunks_are_gone,
    messages_are_filtered_newest_first,
    only_what_was_finished_before_is_purged,
    large_groups_are_written_whole,
);

async fn one_open(bench: &Bench) -> OpenMessage {
    let mut open = bench.open_messages(None, 10).await.expect("readable");
    assert_eq!(open.len(), 1);
    open.remove(0)
}

async fn settle(bench: &Bench, record: crate::queue::AttemptRecord) {
    bench.record(record).await.expect("recorded");
}

async fn an_accepted_message_is_open_and_complete(bench: Bench) {
    let sent = bench.new_message(&["a@example.net", "b@example.net"]);
    let accepted = bench.accept(Arc::new(sent.clone()), Vec::new()).await;
    accepted.expect("accepted");

    let open = one_open(&bench).await;
    assert_eq!(open.id, sent.id);
    assert_eq!(*open.meta, sent.meta);
    assert_eq!(open.size, sent.content.size);
    assert_eq!(open.head, None);
    let recipients: Vec<_> = open
        .recipients
        .iter()
        .map(|recipient| (recipient.index, recipient.mailbox.as_str()))
        .collect();
    assert_eq!(recipients, [(0, "a@example.net"), (1, "b@example.net")]);
    assert_eq!(open.recipients[0].due_at, RECEIVED);
    assert_eq!(bench.head(sent.id).await.expect("there"), sent.content.head);
}

async fn reopening_keeps_everything(mut bench: Bench) {
    let id = bench.accepted(&["a@example.net"]).await;
    settle(&bench, record(id, 0, Deferred, 1)).await;
    bench.reopen().await;
    let open = one_open(&bench).await;
    assert_eq!((open.id, open.recipients[0].attempts), (id, 1));
    assert!(bench.head(id).await.is_ok());
}

async fn a_null_reverse_path_stays_null(bench: Bench) {
    let mut bounce = bench.new_message(&["a@example.net"]);
    bounce.meta.reverse_path = None;
    bounce.meta.list_id = None;
    let accepted = bench.accept(Arc::new(bounce.clone()), Vec::new()).await;
    accepted.expect("accepted");
    assert_eq!(*one_open(&bench).await.meta, bounce.meta);
}

async fn a_taken_id_is_refused_and_spoils_nothing(bench: Bench) {
    let taken = bench.accepted(&["a@example.net"]).await;
    let mut messages: Vec<_> = (0..20)
        .map(|_| bench.new_message(&["b@example.net"]))
        .collect();
    messages.insert(7, message(taken, &["c@example.net"]));
    let answers = join_all(
        messages
            .into_iter()
            .map(|message| bench.accept(Arc::new(message), Vec::new())),
    )
    .await;
    for (place, answer) in answers.iter().enumerate() {
        match place {
            7 => assert!(
                matches!(answer, Err(StoreError::Refused { .. })),
                "{answer:?}"
            ),
            _ => assert!(answer.is_ok(), "{answer:?}"),
        }
    }
    assert!(bench.accepting());
    assert_eq!(
        bench
            .open_messages(None, 100)
            .await
            .expect("readable")
            .len(),
        21
    );
}

async fn a_dropped_caller_takes_nobody_along(bench: Bench) {
    for _ in 0..20 {
        let abandoned = bench.accept(Arc::new(bench.new_message(&["a@example.net"])), Vec::new());
        let kept = bench.accepted(&["b@example.net"]);
        // The first is polled and dropped as soon as the second is done.
        let id = tokio::select! { biased; _ = abandoned => continue, id = kept => id };
        assert!(bench.head(id).await.is_ok());
    }
    assert!(bench.accepting());
}

async fn attempts_are_told_a_page_at_a_time_the_latest_first(bench: Bench) {
    let id = bench.accepted(&["a@example.net", "b@example.net"]).await;
    for minutes in [1, 2, 3] {
        settle(&bench, record(id, 0, Deferred, minutes)).await;
        settle(&bench, record(id, 1, Deferred, minutes)).await;
    }
    let told = async |count, skipped| {
        let found = bench.message_in_part(id, count, skipped).await;
        let message = found.expect("readable").expect("there");
        let attempts = message.attempts.iter();
        let minutes = |at: Timestamp| at.since(RECEIVED).as_secs() / 60;
        attempts
            .map(|one| (minutes(one.at), one.recipient))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(3, 0).await, [(2, 1), (3, 0), (3, 1)]);
    assert_eq!(told(3, 3).await, [(1, 0), (1, 1), (2, 0)]);
    assert!(told(3, 6).await.is_empty());
    assert_eq!(told(u32::MAX, 0).await.len(), 6);
}

async fn open_messages_come_in_pages(bench: Bench) {
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(bench.accepted(&["a@example.net", "b@example.net"]).await);
    }
    settle(&bench, record(expected[1], 0, Failed, 1)).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = bench.open_messages(after, 2).await.expect("readable");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(
            page.iter()
                .map(|message| (message.id, message.recipients.len())),
        );
    }
    let ids: Vec<_> = seen.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, expected);
    assert_eq!(seen.iter().map(|(_, count)| count).sum::<usize>(), 9);
}

async fn a_deferred_recipient_stays_open(bench: Bench) {
    let id = bench.accepted(&["a@example.net"]).await;
    settle(&bench, record(id, 0, Deferred, 1)).await;
    let open = one_open(&bench).await;
    assert_eq!(open.recipients[0].attempts, 1);
    assert_eq!(
        open.recipients[0].due_at,
        RECEIVED + Duration::from_secs(120)
    );
    let details = bench.message(id).await.expect("readable").expect("known");
    assert_eq!(details.summary.status(), MessageStatus::Deferred);
    assert_eq!(
        details.attempts,
        [record(id, 0, Deferred, 1).attempts[0].attempt.clone()]
    );
}

async fn a_message_is_finished_with_its_last_recipient(bench: Bench) {
    let id = bench.accepted(&["a@example.net", "b@example.net"]).await;
    settle(&bench, record(id, 0, Delivered, 1)).await;
    assert_eq!(one_open(&bench).await.recipients.len(), 1);
    assert!(bench.head(id).await.is_ok());

    settle(&bench, record(id, 1, Failed, 2)).await;
    assert!(bench.is_empty().await);
    assert!(matches!(
        bench.head(id).await,
        Err(StoreError::NotFound { .. })
    ));
    let details = bench.message(id).await.expect("readable").expect("known");
    assert_eq!(details.summary.status(), MessageStatus::Partial);
    assert!(details.summary.finished_at.is_some());
    assert_eq!(details.attempts.len(), 2);
    assert_eq!(details.recipients[1].status, Failed);
}

async fn recording_twice_counts_once(bench: Bench) {
    let id = bench.accepted(&["a@example.net"]).await;
    settle(&bench, record(id, 0, Deferred, 1)).await;
    settle(&bench, record(id, 0, Deferred, 1)).await;
    assert_eq!(one_open(&bench).await.recipients[0].attempts, 1);
}

async fn what_is_settled_stays_settled_unless_it_was_delivered(bench: Bench) {
    let cases: [(RecipientStatus, RecipientStatus, RecipientStatus); 3] = [
        (Cancelled, Deferred, Cancelled),
        (Delivered, Failed, Delivered),
        (Cancelled, Delivered, Delivered),
    ];
    for (first, then, expected) in cases {
        let id = bench.accepted(&["a@example.net"]).await;
        settle(&bench, record(id, 0, first, 1)).await;
        settle(&bench, record(id, 0, then, 2)).await;
        let details = bench.message(id).await.expect("readable").expect("known");
        assert_eq!(
            details.recipients[0].status, expected,
            "{first} then {then}"
        );
    }
}

/// In a file one writer has both. A server has one for outcomes alone: there the message is committed before.
#[tokio::test]
async fn records_of_one_transaction_follow_their_message() {
    let bench = Bench::sqlite().await;
    let sent = Arc::new(bench.new_message(&["a@example.net"]));
    let id = sent.id;
    let (accepted, recorded, known) = tokio::join!(
        bench.accept(sent, Vec::new()),
        bench.record(record(id, 0, Delivered, 1)),
        bench.accepted(&["b@example.net"]),
    );
    accepted.expect("accepted");
    recorded.expect("recorded");
    assert_eq!(one_open(&bench).await.id, known);
}

async fn chunks_are_kept_with_their_message(bench: Bench) {
    let mut sent = bench.new_message(&["a@example.net"]);
    let id = sent.id;
    for index in 0..3_u32 {
        let octets = Bytes::from(vec![u8::try_from(index).expect("small"); 100_000]);
        bench.stage_chunk(id, index, octets).await.expect("staged");
    }
    sent.content.staged_chunks = 3;
    sent.content.size += 300_000;
    bench
        .accept(Arc::new(sent), Vec::new())
        .await
        .expect("accepted");
    bench.discard_chunks(id).await.expect("no harm");
    assert_eq!(bench.discard_orphaned_chunks().await.expect("works"), 0);
    assert_eq!(
        bench.chunk(id, 2).await.expect("there"),
        vec![2_u8; 100_000]
    );
    assert_eq!(one_open(&bench).await.staged_chunks, 3);

    settle(&bench, record(id, 0, Delivered, 1)).await;
    assert!(matches!(
        bench.chunk(id, 0).await,
        Err(StoreError::NotFound { .. })
    ));
}

async fn discarded_and_orphaned_chunks_are_gone(bench: Bench) {
    // Of what is younger, another node may still be receiving more.
    let long_ago = Timestamp::now() - Duration::from_secs(2 * 86_400);
    let (given_up, forgotten) = (bench.ids.next(), QueueId::first_at(long_ago));
    for id in [given_up, forgotten] {
        let octets = Bytes::from_static(b"part");
        bench.stage_chunk(id, 0, octets).await.expect("staged");
    }
    bench.discard_chunks(given_up).await.expect("discarded");
    assert!(bench.chunk(given_up, 0).await.is_err());
    assert!(bench.chunk(forgotten, 0).await.is_ok());
    assert_eq!(bench.discard_orphaned_chunks().await.expect("works"), 1);
    assert!(bench.chunk(forgotten, 0).await.is_err());
}

async fn messages_are_filtered_newest_first(bench: Bench) {
    let list = bench.list("Shop").await;
    let mut ids = Vec::new();
    for (list_id, username) in [(None, ""), (Some(list), "s1_1"), (Some(list), "s1_2")] {
        let mut message = bench.new_message(&["a@example.net"]);
        message.meta.list_id = list_id;
        message.meta.username = username.to_owned();
        ids.push(message.id);
        bench
            .accept(Arc::new(message), Vec::new())
            .await
            .expect("accepted");
    }
    settle(&bench, record(ids[1], 0, Delivered, 1)).await;
    let all = MessageFilter::default();
    let cases = [
        (all.clone(), vec![ids[2], ids[1], ids[0]]),
        (
            MessageFilter {
                limit: 1,
                ..all.clone()
            },
            vec![ids[2]],
        ),
        (
            MessageFilter {
                before: Some(ids[1]),
                ..all.clone()
            },
            vec![ids[0]],
        ),
        (
            MessageFilter {
                list: Some(list),
                ..all.clone()
            },
            vec![ids[2], ids[1]],
        ),
        (
            MessageFilter {
                user: Some("S1_1".to_owned()),
                ..all.clone()
            },
            vec![ids[1]],
        ),
        (
            MessageFilter {
                open_only: true,
                ..all
            },
            vec![ids[2], ids[0]],
        ),
    ];
    for (filter, expected) in cases {
        let found = bench.messages(filter.clone()).await.expect("readable");
        let found_ids: Vec<_> = found.iter().map(|summary| summary.id).collect();
        assert_eq!(found_ids, expected, "{filter:?}");
    }
    let newest = bench
        .messages(MessageFilter::default())
        .await
        .expect("readable");
    assert_eq!(newest[0].list.as_deref(), Some("Shop"));
    assert_eq!(newest[1].status(), MessageStatus::Delivered);
    assert!(
        bench
            .message(bench.ids.next())
            .await
            .expect("readable")
            .is_none()
    );
}

async fn only_what_was_finished_before_is_purged(bench: Bench) {
    let open = bench.accepted(&["a@example.net"]).await;
    let finished = bench.accepted(&["a@example.net"]).await;
    settle(&bench, record(finished, 0, Delivered, 1)).await;
    let now = crate::clock::Timestamp::now();
    assert_eq!(
        bench
            .purge(now - Duration::from_secs(60))
            .await
            .expect("works"),
        0
    );
    assert_eq!(
        bench
            .purge(now + Duration::from_secs(60))
            .await
            .expect("works"),
        1
    );
    assert!(bench.message(finished).await.expect("readable").is_none());
    assert!(bench.message(open).await.expect("readable").is_some());
}

async fn large_groups_are_written_whole(bench: Bench) {
    let messages: Vec<_> = (0..300)
        .map(|_| Arc::new(bench.new_message(&["a@example.net", "b@example.net"])))
        .collect();
    for answer in join_all(
        messages
            .iter()
            .map(|m| bench.accept(Arc::clone(m), Vec::new())),
    )
    .await
    {
        answer.expect("accepted");
    }
    let records = messages.iter().flat_map(|message| {
        [0, 1].map(|recipient| bench.record(record(message.id, recipient, Delivered, 1)))
    });
    for answer in join_all(records).await {
        answer.expect("recorded");
    }
    assert!(
        bench
            .open_messages(None, 1)
            .await
            .expect("readable")
            .is_empty()
    );
    let limit = 1000;
    let all = bench.messages(MessageFilter {
        limit,
        ..MessageFilter::default()
    });
    let all = all.await.expect("readable");
    assert_eq!(all.len(), 300);
    assert!(
        all.iter()
            .all(|summary| summary.status() == MessageStatus::Delivered)
    );
}
