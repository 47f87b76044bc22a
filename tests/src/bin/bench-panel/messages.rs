//! Messages of the store that is measured, by the store's own code.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gatepost::clock::Timestamp;
use gatepost::decision::{
    About, Chain, Decision, Findings, NewDecision, Outcome as Decided, Policy, RefusedHeader, Run,
    Stage, Step,
};
use gatepost::queue::{
    Attempt, AttemptRecord, Content, MessageMeta, MessageParameters, NewMessage, Origin, Outcome,
    Priority, RecipientStatus, RecordedAttempt, RemoteReply, Way,
};
use gatepost::smtp::{BodyType, Mailbox};
use gatepost::store::Store;
use tokio::task::JoinSet;

use super::made::{LARGE_LIST, Made, Message, drawn, skewed};

/// Messages on their way into the store at a time.
const CALLERS: usize = 256;
/// Recipients of the crowded message, and attempts for each.
const CROWD: u32 = 1000;
const ROUNDS: u64 = 10;

/// Where a message is to stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Refused,
    Waiting,
    Held,
    Scheduled,
    Tried(RecipientStatus),
}

/// Fills in all messages.
pub async fn fill(store: &Store, made: Made) -> anyhow::Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let chain = chain();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (store, next, chain) = (store.clone(), Arc::clone(&next), Arc::clone(&chain));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= made.count {
                    return anyhow::Ok(());
                }
                let message = made.message(number);
                submit(&store, fate(number, message.is_recent), message, &chain).await?;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    crowded(store, &made, &chain).await
}

/// Of a hundred messages three are refused and two fail; of the recent ones twelve wait, most of them tried already.
fn fate(number: usize, is_recent: bool) -> Fate {
    match drawn(number + 1, 100) {
        0..3 => Fate::Refused,
        3..5 => Fate::Tried(RecipientStatus::Failed),
        5..10 if is_recent => Fate::Tried(RecipientStatus::Deferred),
        10..15 if is_recent => Fate::Waiting,
        15 if is_recent => Fate::Held,
        16 if is_recent => Fate::Scheduled,
        _ => Fate::Tried(RecipientStatus::Delivered),
    }
}

/// Whether the message of that number was not refused.
pub fn is_accepted(number: usize) -> bool {
    fate(number, false) != Fate::Refused
}

async fn submit(
    store: &Store,
    fate: Fate,
    made: Message,
    chain: &Arc<Chain>,
) -> anyhow::Result<()> {
    if fate == Fate::Refused {
        return Ok(store
            .keep(findings(&made, Decided::Rejected, chain))
            .await?);
    }
    let accepted = findings(&made, Decided::Accepted, chain);
    let message = Arc::new(message(&made, fate));
    store.accept(message, accepted).await?;
    let Fate::Tried(status) = fate else {
        return Ok(());
    };
    let waited = drawn(made.at.as_millis() as usize, 20_000);
    let at = made.at + Duration::from_millis(waited as u64);
    let attempts = vec![attempt(0, status, at)];
    Ok(store
        .record(AttemptRecord {
            id: made.id,
            attempts,
        })
        .await?)
}

/// A message to very many, none of whom was served though each was tried often.
async fn crowded(store: &Store, made: &Made, chain: &Arc<Chain>) -> anyhow::Result<()> {
    let one = Message {
        id: made.crowded(),
        list: LARGE_LIST,
        user: "s1_1".to_owned(),
        ..made.message(made.count - 1)
    };
    let mut message = message(&one, Fate::Waiting);
    let address = |number| format!("member{number}@club.example.net");
    message.recipients = (0..CROWD)
        .map(|number| mailbox(&address(number)).into())
        .collect();
    let accepted = findings(&one, Decided::Accepted, chain);
    store.accept(Arc::new(message), accepted).await?;
    for round in 0..ROUNDS {
        let at = one.at + Duration::from_secs(round * 600);
        let attempts = (0..CROWD)
            .map(|number| attempt(number, RecipientStatus::Deferred, at))
            .collect();
        let record = AttemptRecord {
            id: one.id,
            attempts,
        };
        store.record(record).await?;
    }
    Ok(())
}

fn message(made: &Message, fate: Fate) -> NewMessage {
    let later = Timestamp::now() + Duration::from_secs(30 * 86_400);
    NewMessage {
        id: made.id,
        meta: MessageMeta {
            list_id: Some(made.list),
            username: made.user.clone(),
            reverse_path: Some(mailbox(&made.sender)),
            priority: Priority::ALL[skewed(made.at.as_millis() as usize, 5)],
            body: BodyType::EightBitMime,
            parameters: MessageParameters {
                held_until: (fate == Fate::Scheduled).then_some(later),
                ..MessageParameters::default()
            },
            subject: made.subject.clone(),
            message_id: made.message_id.clone(),
            session_id: "0f3k9m2x7q1ab".to_owned(),
            rule: "sender-rules/authorized-domain".to_owned(),
            received_at: made.at,
            // What waits outlives what is measured, also when it is measured again.
            expires_at: made.at + Duration::from_secs(400 * 86_400),
            way: Way {
                hold: (fate == Fate::Held).then(|| "somebody is to look at it".to_owned()),
                ..Way::default()
            },
            origin: Origin::default(),
        },
        recipients: vec![mailbox(&made.recipient).into()],
        content: Content {
            head: Bytes::from_static(b"Subject: x\r\n\r\nHello\r\n"),
            staged_chunks: 0,
            size: 4096,
        },
    }
}

fn findings(made: &Message, outcome: Decided, chain: &Arc<Chain>) -> Findings {
    let is_refused = outcome != Decided::Accepted;
    let (rule, decision) = if is_refused {
        ("sender-rules/unauthorized-block", "reject")
    } else {
        ("sender-rules/authorized-domain", "accept")
    };
    let decision = Decision {
        about: About {
            id: made.id,
            at: made.at,
            stage: Stage::Message,
            list_id: Some(made.list),
            username: made.user.clone(),
            session_id: "0f3k9m2x7q1ab".to_owned(),
            sender: Some(made.sender.clone()),
            from: made.sender.clone(),
            recipients: made.recipient.clone(),
            recipient_count: 1,
            header: is_refused.then(|| RefusedHeader {
                subject: made.subject.clone(),
                message_id: made.message_id.clone(),
            }),
        },
        run: Run::Enforced,
        generation: 1,
        chain: Arc::clone(chain),
        outcome,
        priority: Priority::Normal,
        reply: is_refused.then(|| (550, "5.7.1 not authorized".to_owned())),
        steps: vec![Step {
            rule: rule.to_owned(),
            decision: decision.to_owned(),
            fuel: 20_123,
            us: 31,
            failure: None,
            facts: Vec::new(),
        }],
        effects: Vec::new(),
    };
    NewDecision {
        decision,
        request: None,
    }
    .into()
}

fn attempt(recipient: u32, status: RecipientStatus, at: Timestamp) -> RecordedAttempt {
    let reply = |code, text: &str| RemoteReply {
        code,
        text: text.to_owned(),
    };
    let outcome = match status {
        RecipientStatus::Delivered => Outcome::Delivered(reply(250, "2.0.0 Ok: queued")),
        RecipientStatus::Deferred => Outcome::Deferred(reply(451, "4.3.0 not now")),
        _ => Outcome::Failed(reply(550, "5.1.1 no such user")),
    };
    RecordedAttempt {
        attempt: Attempt {
            recipient,
            began_at: None,
            at,
            next_hop: "mx1.mail.example.net:25".to_owned(),
            tls: "1.3, not verified".to_owned(),
            outcome,
        },
        status,
        due_at: at + Duration::from_secs(300),
        delay_told_at: None,
    }
}

fn chain() -> Arc<Chain> {
    Arc::new(Chain::new(vec![Policy {
        name: "sender-rules".to_owned(),
        module: "builtin:sender-rules".to_owned(),
        version: "0.1.0".to_owned(),
        sha256: "6c04dffddb0a7320d9cf226eda22fdb80214f1062c07ac7c2305e3c77f904db1".to_owned(),
        mode: "enforce".to_owned(),
        settings: r#"{"unauthorized":"block"}"#.to_owned(),
    }]))
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("a mailbox")
}
