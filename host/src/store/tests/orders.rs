//! What administrators do to single messages, and what policies count.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, RECEIVED, contract};
use crate::id::QueueId;
use crate::queue::{
    Command, Concerned, MessageFilter, MessageStatus, OrderKind, PolicyCount, Priority, Stop,
    StopScope, Suppression, Way,
};
use crate::smtp::Mailbox;
use crate::store::StoreError;

contract!(
    a_held_message_is_released_once,
    a_deleted_message_is_finished_without_its_content,
    what_is_held_too_long_is_found,
    a_filter_selects_by_each_of_its_properties,
    a_command_concerns_what_it_can_be_carried_out_on,
    a_deletion_for_a_domain_leaves_the_other_recipients,
    commands_are_noted_with_who_gave_them,
    more_than_a_step_is_changed_and_what_comes_later_is_not,
    what_is_stopped_stays_so_until_it_is_started,
    urgent_messages_are_read_alone,
    bounced_recipients_are_remembered_for_their_list_alone,
    a_route_is_kept,
    counts_are_added_up_and_end,
);

/// Everything.
fn all() -> MessageFilter {
    MessageFilter::default()
}

fn only(id: QueueId) -> MessageFilter {
    MessageFilter {
        ids: Some(vec![id]),
        ..all()
    }
}

fn concerned(messages: u64, recipients: u64) -> Concerned {
    Concerned {
        messages,
        recipients,
    }
}

impl Bench {
    async fn ordered(&self, filter: &MessageFilter, command: &Command) -> Concerned {
        let expected = self.count(filter, command).await.expect("readable");
        let done = self.order(filter, command, "root").await.expect("written");
        assert_eq!(done, expected, "what is counted is what is done");
        done
    }

    async fn listed(&self, filter: MessageFilter) -> Vec<QueueId> {
        let found = self.messages(filter).await.expect("readable");
        found.into_iter().map(|message| message.id).collect()
    }
}

async fn held(bench: &Bench) -> QueueId {
    let mut message = bench.new_message(&["a@example.net", "b@example.net"]);
    message.meta.way.hold = Some("guard: a look".to_owned());
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
    id
}

async fn status(bench: &Bench, id: QueueId) -> MessageStatus {
    let found = bench.message(id).await.expect("readable");
    found.expect("it is there").summary.status()
}

async fn a_held_message_is_released_once(bench: Bench) {
    let (id, free) = (held(&bench).await, bench.accepted(&["a@example.net"]).await);
    assert_eq!(status(&bench, id).await, MessageStatus::Held);
    assert_eq!(bench.newest_order().await.expect("readable"), 0);
    // As the command line does, from another process.
    let another = bench.another().await;
    let done = another.order(&only(id), &Command::Release, "root").await;
    assert_eq!(done.expect("written"), concerned(1, 2));
    assert_eq!(status(&bench, id).await, MessageStatus::Queued);
    let orders = bench.orders_after(0).await.expect("readable");
    assert_eq!(orders.len(), 1);
    assert_eq!(
        (orders[0].message, orders[0].kind),
        (id, OrderKind::Release)
    );
    let later = bench.orders_after(orders[0].number).await;
    assert_eq!(later.expect("readable"), []);
    for not_held in [id, free] {
        let again = bench.ordered(&only(not_held), &Command::Release).await;
        assert_eq!(again, concerned(0, 0));
    }
    let open = bench.open_message(id).await.expect("readable");
    assert!(!open.expect("it is open").meta.way.is_held());
}

async fn a_deleted_message_is_finished_without_its_content(bench: Bench) {
    let id = held(&bench).await;
    let done = bench.ordered(&only(id), &Command::Delete).await;
    assert_eq!(done, concerned(1, 2));
    assert_eq!(status(&bench, id).await, MessageStatus::Cancelled);
    assert!(matches!(
        bench.head(id).await,
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(
        bench
            .open_message(id)
            .await
            .expect("readable")
            .map(|it| it.id),
        None
    );
    let again = bench.ordered(&only(id), &Command::Delete).await;
    assert_eq!(again, concerned(0, 0));
    let orders = bench.orders_after(0).await.expect("readable");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].kind, OrderKind::Delete);
}

async fn what_is_held_too_long_is_found(bench: Bench) {
    let (id, released) = (held(&bench).await, held(&bench).await);
    bench.accepted(&["a@example.net"]).await;
    bench.ordered(&only(released), &Command::Release).await;
    let day = Duration::from_secs(86_400);
    let early = bench.overdue_held(RECEIVED + day / 2, 10).await;
    assert_eq!(early.expect("readable").len(), 0);
    let overdue = bench.overdue_held(RECEIVED + day, 10).await;
    let ids: Vec<_> = overdue.expect("readable").iter().map(|it| it.id).collect();
    assert_eq!(ids, [id]);
}

async fn a_filter_selects_by_each_of_its_properties(bench: Bench) {
    let mut other = bench.new_message(&["c@Other.example", "d@example.net"]);
    other.meta.priority = Priority::Lowest;
    other.meta.username = "s2_1".to_owned();
    other.meta.list_id = Some(2);
    other.meta.reverse_path = Some("Bob@sender_x.example".parse().expect("a mailbox"));
    other.meta.received_at = RECEIVED + Duration::from_secs(60);
    let wanted = other.id;
    let accepted = bench.accept(Arc::new(other), Vec::new()).await;
    accepted.expect("accepted");
    let plain = bench.accepted(&["a@example.net", "b@xother.example"]).await;
    let held = held(&bench).await;
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        MessageFilter {
            list: Some(2),
            ..all()
        },
        MessageFilter {
            user: text("S2_1"),
            ..all()
        },
        MessageFilter {
            sender: text("bob@sender_x.example"),
            ..all()
        },
        MessageFilter {
            sender: text("@sender_x.example"),
            ..all()
        },
        MessageFilter {
            recipient_domain: text("other.example"),
            ..all()
        },
        MessageFilter {
            priority: Some(Priority::Lowest),
            ..all()
        },
        MessageFilter {
            received_after: Some(RECEIVED + Duration::from_secs(60)),
            ..all()
        },
        MessageFilter {
            ids: Some(vec![wanted]),
            ..all()
        },
    ];
    for filter in filters {
        assert_eq!(bench.listed(filter.clone()).await, [wanted], "{filter:?}");
        let done = bench
            .count(&filter, &Command::Delete)
            .await
            .expect("readable");
        assert_eq!(done.messages, 1, "{filter:?}");
    }
    for sender in ["bob@senderyx.example", "%", "<>"] {
        let filter = MessageFilter {
            sender: text(sender),
            ..all()
        };
        assert_eq!(bench.listed(filter).await, [], "{sender}");
    }
    let status = |status| MessageFilter {
        status: Some(status),
        ..all()
    };
    let cases = [
        (MessageStatus::Held, vec![held]),
        (MessageStatus::Queued, vec![plain, wanted]),
        (MessageStatus::Deferred, vec![]),
        (MessageStatus::Delivered, vec![]),
    ];
    for (name, expected) in cases {
        assert_eq!(bench.listed(status(name)).await, expected, "{name}");
    }
    bench.ordered(&only(plain), &Command::Delete).await;
    assert_eq!(
        bench.listed(status(MessageStatus::Cancelled)).await,
        [plain]
    );
    for none in [
        MessageStatus::Failed,
        MessageStatus::Partial,
        MessageStatus::Expired,
    ] {
        assert_eq!(bench.listed(status(none)).await, [], "{none}");
    }
}

async fn a_command_concerns_what_it_can_be_carried_out_on(bench: Bench) {
    let (free, held) = (bench.accepted(&["a@example.net"]).await, held(&bench).await);
    let hold = Command::Hold("a look".to_owned());
    assert_eq!(bench.ordered(&all(), &hold).await, concerned(1, 1));
    assert_eq!(status(&bench, free).await, MessageStatus::Held);
    assert_eq!(bench.ordered(&all(), &hold).await, concerned(0, 0));
    assert_eq!(
        bench.ordered(&all(), &Command::Release).await,
        concerned(2, 3)
    );
    assert_eq!(
        bench.ordered(&all(), &Command::Retry).await,
        concerned(0, 0),
        "none was tried"
    );
    let urgent = Command::Reprioritize(Priority::Highest);
    assert_eq!(bench.ordered(&only(held), &urgent).await, concerned(1, 2));
    assert_eq!(bench.ordered(&all(), &urgent).await, concerned(1, 1));
    assert_eq!(bench.ordered(&all(), &urgent).await, concerned(0, 0));
    let open = bench
        .open_message(free)
        .await
        .expect("readable")
        .expect("it is open");
    assert_eq!(open.meta.priority, Priority::Highest);
    assert_eq!(open.meta.way.hold.as_deref(), Some("a look"));
    assert!(!open.meta.way.is_held());
}

async fn a_deletion_for_a_domain_leaves_the_other_recipients(bench: Bench) {
    let id = bench.accepted(&["a@example.net", "b@other.example"]).await;
    let there = MessageFilter {
        recipient_domain: Some("other.example".to_owned()),
        ..all()
    };
    assert_eq!(
        bench.ordered(&there, &Command::Delete).await,
        concerned(1, 1)
    );
    assert_eq!(
        bench.ordered(&there, &Command::Delete).await,
        concerned(0, 0)
    );
    let open = bench
        .open_message(id)
        .await
        .expect("readable")
        .expect("it is open");
    let left: Vec<_> = open
        .recipients
        .iter()
        .map(|one| one.mailbox.to_string())
        .collect();
    assert_eq!(left, ["a@example.net"]);
}

async fn commands_are_noted_with_who_gave_them(bench: Bench) {
    let id = bench.accepted(&["a@example.net"]).await;
    let commands = [
        (
            Command::Hold("a look".to_owned()),
            OrderKind::Hold,
            "a look",
        ),
        (Command::Release, OrderKind::Release, ""),
        (
            Command::Reprioritize(Priority::Low),
            OrderKind::Reprioritize,
            "from 2 to 4",
        ),
    ];
    for (command, ..) in &commands {
        bench.ordered(&only(id), command).await;
    }
    let noted = bench
        .message(id)
        .await
        .expect("readable")
        .expect("it is there")
        .orders;
    let expected = commands
        .iter()
        .map(|(_, kind, detail)| (*kind, *detail, "root"));
    let found = noted
        .iter()
        .map(|it| (it.kind, it.detail.as_str(), it.by.as_str()));
    assert!(found.eq(expected), "{noted:?}");
    bench.ordered(&only(id), &Command::Delete).await;
    bench
        .purge(crate::clock::Timestamp::now() + Duration::from_secs(60))
        .await
        .expect("purged");
    assert_eq!(
        bench.orders_after(0).await.expect("readable"),
        [],
        "they go with their message"
    );
}

async fn more_than_a_step_is_changed_and_what_comes_later_is_not(bench: Bench) {
    for _ in 0..600 {
        bench.accepted(&["a@example.net"]).await;
    }
    let others = MessageFilter {
        before: bench
            .listed(MessageFilter { limit: 1, ..all() })
            .await
            .pop(),
        ..all()
    };
    let hold = Command::Hold("a look".to_owned());
    let done = bench.order(&others, &hold, "root").await.expect("written");
    assert_eq!(done, concerned(599, 599));
}

async fn what_is_stopped_stays_so_until_it_is_started(mut bench: Bench) {
    let scopes = [
        StopScope::All,
        StopScope::List(7),
        StopScope::Destination("example.net".to_owned()),
        StopScope::Destination("route:a:b".to_owned()),
    ];
    let stop = |place: usize, reason: &str| Stop {
        scope: scopes[place].clone(),
        at: RECEIVED + Duration::from_secs(place as u64),
        by: "root".to_owned(),
        reason: reason.to_owned(),
    };
    for place in 0..scopes.len() {
        assert!(bench.stop(stop(place, "first")).await.expect("written"));
        assert!(!bench.stop(stop(place, "second")).await.expect("written"));
    }
    bench.reopen().await;
    let expected: Vec<Stop> = (0..scopes.len())
        .map(|place| stop(place, "first"))
        .collect();
    assert_eq!(bench.stops().await.expect("readable"), expected);
    for scope in scopes {
        assert!(bench.start(scope.clone()).await.expect("written"));
        assert!(!bench.start(scope).await.expect("written"));
    }
    assert_eq!(bench.stops().await.expect("readable"), []);
}

async fn urgent_messages_are_read_alone(bench: Bench) {
    let mut low = bench.new_message(&["a@example.net"]);
    low.meta.priority = Priority::Normal;
    let (low, accepted) = (low.id, bench.accept(Arc::new(low), Vec::new()).await);
    accepted.expect("accepted");
    let id = bench.accepted(&["a@example.net"]).await;
    let ids = |found: Vec<crate::queue::OpenMessage>| -> Vec<QueueId> {
        found.into_iter().map(|message| message.id).collect()
    };
    assert_eq!(
        ids(bench.urgent_messages(None, 10).await.expect("readable")),
        [id]
    );
    assert_eq!(
        ids(bench.urgent_messages(Some(id), 10).await.expect("readable")),
        []
    );
    let named = bench.open_messages_of(&[id, low]).await.expect("readable");
    assert_eq!(ids(named), [low, id]);
}

async fn bounced_recipients_are_remembered_for_their_list_alone(bench: Bench) {
    let (shop, blog) = (bench.list("shop").await, bench.list("blog").await);
    let mailbox = |text: &str| text.parse::<Mailbox>().expect("a mailbox");
    let bounced = |list_id, reply: &str| Suppression {
        list_id,
        address: mailbox("Ann@Example.net"),
        message: QueueId::from_i64(7),
        reply: reply.to_owned(),
        at: RECEIVED,
    };
    bench.set_suppressing(shop, true).await.expect("written");
    let lists = bench.suppressing_lists().await.expect("readable");
    assert_eq!(lists, [(shop, "shop".to_owned())]);
    for reply in ["550 first", "550 second"] {
        bench.suppress(bounced(shop, reply)).await.expect("written");
    }
    let (ann, bob) = (mailbox("ann@EXAMPLE.NET"), mailbox("bob@example.net"));
    let found = bench.suppressions_of(shop, &[&bob, &ann]).await;
    assert_eq!(found.expect("readable"), [bounced(shop, "550 second")]);
    assert_eq!(
        bench
            .suppressions_of(blog, &[&ann])
            .await
            .expect("readable"),
        []
    );
    assert_eq!(
        bench
            .suppressions(shop, None, 10)
            .await
            .expect("readable")
            .len(),
        1
    );
    assert_eq!(
        bench
            .suppressions(shop, Some(&ann), 10)
            .await
            .expect("readable"),
        []
    );
    assert!(bench.unsuppress(shop, ann.clone()).await.expect("written"));
    assert!(!bench.unsuppress(shop, ann).await.expect("written"));
    bench
        .suppress(bounced(shop, "550 again"))
        .await
        .expect("written");
    bench.delete_list(shop).await.expect("it has no users");
    assert_eq!(
        bench.suppressions(shop, None, 10).await.expect("readable"),
        [],
        "they go with it"
    );
}

async fn a_route_is_kept(bench: Bench) {
    let mut message = bench.new_message(&["a@example.net"]);
    let way = Way {
        route: Some("archive".to_owned()),
        ..Way::default()
    };
    message.meta.way = way.clone();
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
    let open = bench.open_message(id).await.expect("readable");
    assert_eq!(open.expect("it is open").meta.way, way);
}

async fn counts_are_added_up_and_end(mut bench: Bench) {
    let count = |key: &str, slot, amount| PolicyCount {
        policy: "guard".to_owned(),
        key: key.to_owned(),
        window_s: 60,
        slot,
        amount,
        expires_at_ms: RECEIVED.as_millis() + slot * 1000,
    };
    bench.add_counts(Vec::new()).await.expect("nothing to do");
    let first = vec![count("a", 1, 2), count("a", 2, 1), count("b", 2, u64::MAX)];
    bench.add_counts(first).await.expect("stored");
    let second = vec![count("a", 1, 3), count("b", 2, 5)];
    bench
        .another()
        .await
        .add_counts(second)
        .await
        .expect("stored");
    bench.reopen().await;
    let largest = u64::try_from(i64::MAX).expect("it is positive");
    let live = bench.policy_counts(RECEIVED).await.expect("readable");
    let expected = [count("a", 1, 5), count("a", 2, 1), count("b", 2, largest)];
    assert_eq!(live, expected);
    let later = RECEIVED + Duration::from_secs(1);
    let live = bench.policy_counts(later).await.expect("readable");
    assert_eq!(live, expected[1..]);
}
