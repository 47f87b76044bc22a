//! Measures what the panel asks of the store, with a million messages, 10,000 users and 1,000 lists.
//!
//! `bench-panel [MESSAGES] [FOLDER]`; defaults: 1,000,000 in a folder under the temporary one, which is deleted
//! afterwards; a folder that is named is kept, and what is in it is measured again. It fills a store through the
//! store's own code, sums it up and indexes it, then asks each question many times and prints p50 and p99. Ends
//! with 1 when a p99 is above 50 ms.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use gatepost::clock::Timestamp;
use gatepost::decision::{
    About, Chain, Decision, Findings, NewDecision, Outcome as Decided, Policy, RefusedHeader, Run,
    Stage, Step,
};
use gatepost::id::QueueId;
use gatepost::queue::{
    Attempt, AttemptRecord, Content, MessageMeta, MessageParameters, MessageStatus, NewMessage,
    Outcome, Priority, RecipientStatus, RecordedAttempt, RemoteReply,
};
use gatepost::smtp::{BodyType, Mailbox};
use gatepost::statistics::{Dimension, Span};
use gatepost::store::{Config, FoundMessage, Period, Search, SearchStatus, Store};
use tokio::task::JoinSet;

/// Messages when no number is given.
const MESSAGES: usize = 1_000_000;
const LISTS: usize = 1000;
const USERS: usize = 10_000;
/// Messages on their way into the store at a time.
const CALLERS: usize = 256;
/// Days that the messages are spread over.
const DAYS: u64 = 7;
/// How often each question is asked, each time with other words.
const QUESTIONS: usize = 200;
/// What a question may take at p99.
const BAR: Duration = Duration::from_millis(50);
/// What people write about, the first ones most.
const WORDS: [&str; 24] = [
    "order",
    "your",
    "invoice",
    "newsletter",
    "shipped",
    "confirmed",
    "reset",
    "password",
    "welcome",
    "offer",
    "winter",
    "sale",
    "report",
    "weekly",
    "reminder",
    "appointment",
    "payment",
    "received",
    "rechnung",
    "bestellung",
    "grüße",
    "alert",
    "backup",
    "failed",
];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments
        .next()
        .map_or(Ok(MESSAGES), |text| text.parse())
        .context("a number of messages")?;
    let kept = arguments.next().map(PathBuf::from);
    let folder = kept.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("bench-panel-{}", std::process::id()))
    });
    std::fs::create_dir_all(&folder)?;
    let is_missed = measure(&folder, count).await?;
    if kept.is_none() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(ExitCode::from(u8::from(is_missed)))
}

async fn measure(folder: &Path, count: usize) -> anyhow::Result<bool> {
    let path = folder.join("panel.db");
    let is_filled = path.exists();
    let config = Config {
        url: format!("sqlite://{}", path.display()).into(),
        ..Config::default()
    };
    let store = Store::open(&config).await?;
    if !is_filled {
        let began = Instant::now();
        fill(&store, count).await?;
        println!("{count} messages stored within {:.0?}", began.elapsed());
    }
    background(&store, count).await?;
    for (what, file) in [("store", "panel.db"), ("search index", "panel.db.search")] {
        let octets = std::fs::metadata(folder.join(file))?.len();
        println!("{what}: {} MiB", octets >> 20);
    }
    let is_missed = ask_all(&store, count).await?;
    store.close().await;
    Ok(is_missed)
}

/// Sums up and indexes, and tells what each message costs.
async fn background(store: &Store, count: usize) -> anyhow::Result<()> {
    let (began, cpu) = (Instant::now(), cpu_time());
    // What the first round seals the second one counts.
    for _ in 0..2 {
        while store.sum_up().await? {}
    }
    report_work("summed up", began, cpu, count);
    let (began, cpu, mut longest) = (Instant::now(), cpu_time(), Duration::ZERO);
    loop {
        let step = Instant::now();
        let is_more = store.index().await?;
        longest = longest.max(step.elapsed());
        if !is_more {
            break;
        }
    }
    report_work("indexed", began, cpu, count);
    println!("the longest step of indexing took {longest:.1?}");
    Ok(())
}

fn report_work(what: &str, began: Instant, cpu: Duration, count: usize) {
    let cpu = cpu_time().saturating_sub(cpu);
    println!(
        "{what} within {:.1?}: {:.1} µs of CPU for each message",
        began.elapsed(),
        cpu.as_secs_f64() * 1e6 / count as f64
    );
}

/// A number that looks drawn by chance and is the same in every run.
fn drawn(seed: usize, below: usize) -> usize {
    let mixed = (seed as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((mixed >> 33) % below as u64).unwrap_or(0)
}

/// Small ones are drawn more often.
fn skewed(seed: usize, below: usize) -> usize {
    drawn(seed, below) * drawn(seed ^ 0x5555, below) / below
}

/// What message number `n` is.
struct Made {
    id: QueueId,
    at: Timestamp,
    list: i64,
    user: String,
    sender: String,
    recipient: String,
    subject: String,
    message_id: String,
}

impl Made {
    fn new(number: usize, count: usize, start: Timestamp) -> Self {
        let spread = DAYS * 86_400_000 / count as u64;
        let at = start + Duration::from_millis(number as u64 * spread);
        let user = skewed(number, USERS);
        let list = user % LISTS;
        let words = (0..5).map(|place| WORDS[skewed(number * 7 + place, WORDS.len())]);
        let words: Vec<_> = words.collect();
        Self {
            id: QueueId::from_i64(QueueId::first_at(at).as_i64() + number as i64 % 1000),
            at,
            list: list as i64 + 1,
            user: format!("s{}_{}", list + 1, user / LISTS + 1),
            sender: format!("info{}@shop{list}.example.com", user % 3),
            recipient: format!(
                "customer{}@mail{}.example.net",
                drawn(number + 3, 300_000),
                skewed(number + 4, 5000)
            ),
            subject: format!(
                "{} {}",
                words.join(" "),
                100_000 + drawn(number + 5, 900_000)
            ),
            message_id: format!("<{number}.{}@shop{list}.example.com>", at.as_millis()),
        }
    }
}

async fn fill(store: &Store, count: usize) -> anyhow::Result<()> {
    for number in 0..LISTS {
        store.create_list(&format!("Shop {number}")).await?;
    }
    let start = Timestamp::now() - Duration::from_secs(DAYS * 86_400);
    let next = Arc::new(AtomicUsize::new(0));
    let chain = chain();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (store, next, chain) = (store.clone(), Arc::clone(&next), Arc::clone(&chain));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                submit(&store, number, Made::new(number, count, start), &chain).await?;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}

/// Of a hundred messages three are refused, two fail, one is deferred, and of the newest some wait.
async fn submit(
    store: &Store,
    number: usize,
    made: Made,
    chain: &Arc<Chain>,
) -> anyhow::Result<()> {
    let kind = drawn(number + 1, 100);
    if kind < 3 {
        let findings = findings(&made, Decided::Rejected, chain);
        return Ok(store.keep(findings).await?);
    }
    let accepted = findings(&made, Decided::Accepted, chain);
    store.accept(Arc::new(message(&made)), accepted).await?;
    let status = match kind {
        3..5 => RecipientStatus::Failed,
        5 => RecipientStatus::Deferred,
        6 => return Ok(()),
        _ => RecipientStatus::Delivered,
    };
    let at = made.at + Duration::from_millis(drawn(number + 2, 20_000) as u64);
    Ok(store.record(record(made.id, status, at)).await?)
}

fn message(made: &Made) -> NewMessage {
    NewMessage {
        id: made.id,
        meta: MessageMeta {
            list_id: Some(made.list),
            username: made.user.clone(),
            reverse_path: Some(mailbox(&made.sender)),
            priority: Priority::ALL[skewed(made.at.as_millis() as usize, 5)],
            body: BodyType::EightBitMime,
            parameters: MessageParameters::default(),
            subject: made.subject.clone(),
            message_id: made.message_id.clone(),
            session_id: "0f3k9m2x7q1ab".to_owned(),
            rule: "sender-rules/authorized-domain".to_owned(),
            received_at: made.at,
            expires_at: made.at + Duration::from_secs(40 * 86_400),
            way: gatepost::queue::Way::default(),
            origin: gatepost::queue::Origin::default(),
        },
        recipients: vec![mailbox(&made.recipient).into()],
        content: Content {
            head: Bytes::from_static(b"Subject: x\r\n\r\nHello\r\n"),
            staged_chunks: 0,
            size: 4096,
        },
    }
}

fn findings(made: &Made, outcome: Decided, chain: &Arc<Chain>) -> Findings {
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

fn record(id: QueueId, status: RecipientStatus, at: Timestamp) -> AttemptRecord {
    let reply = |code, text: &str| RemoteReply {
        code,
        text: text.to_owned(),
    };
    let outcome = match status {
        RecipientStatus::Delivered => Outcome::Delivered(reply(250, "2.0.0 Ok: queued")),
        RecipientStatus::Deferred => Outcome::Deferred(reply(451, "4.3.0 not now")),
        _ => Outcome::Failed(reply(550, "5.1.1 no such user")),
    };
    AttemptRecord {
        id,
        attempts: vec![RecordedAttempt {
            attempt: Attempt {
                recipient: 0,
                began_at: None,
                at,
                next_hop: "mx1.mail.example.net:25".to_owned(),
                tls: "1.3, not verified".to_owned(),
                outcome,
            },
            status,
            due_at: at + Duration::from_secs(300),
            delay_told_at: None,
        }],
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

/// A search by a name, as question number `n` asks it.
type Question = (&'static str, fn(usize, &Made) -> Search);

const SEARCHES: [Question; 18] = [
    ("everything", |_, _| Search::default()),
    ("a list", |_, made| in_list(made)),
    ("a user", |_, made| Search {
        user: Some(made.user.clone()),
        ..in_list(made)
    }),
    ("a recipient", |_, made| Search {
        recipient: Some(made.recipient.clone()),
        ..Search::default()
    }),
    ("a recipient of a list", |_, made| Search {
        recipient: Some(made.recipient.clone()),
        ..in_list(made)
    }),
    ("a recipient's domain", |_, made| Search {
        recipient: made
            .recipient
            .find('@')
            .map(|at| made.recipient[at..].to_owned()),
        ..Search::default()
    }),
    ("a sender", |_, made| Search {
        sender: Some(made.sender.clone()),
        ..Search::default()
    }),
    ("a sender of another list", |n, made| Search {
        sender: Some(made.sender.clone()),
        list: Some(n as i64 % LISTS as i64 + 1),
        ..Search::default()
    }),
    ("two words of the subject", |n, _| words(n)),
    ("two words, of a list", |n, made| Search {
        list: Some(made.list),
        ..words(n)
    }),
    ("a whole subject", |_, made| Search {
        subject: Some(made.subject.clone()),
        ..Search::default()
    }),
    ("a Message-ID", |_, made| Search {
        message_id: Some(made.message_id.clone()),
        ..Search::default()
    }),
    ("an id", |_, made| Search {
        id: Some(made.id),
        ..Search::default()
    }),
    ("refused", |_, _| with(SearchStatus::Refused)),
    ("refused, of a list", |_, made| Search {
        list: Some(made.list),
        ..with(SearchStatus::Refused)
    }),
    ("failed, with a word", |n, _| Search {
        status: Some(SearchStatus::Is(MessageStatus::Failed)),
        ..words(n)
    }),
    ("deferred, of a list", |_, made| Search {
        list: Some(made.list),
        ..with(SearchStatus::Is(MessageStatus::Deferred))
    }),
    ("two local-parts that never meet", |_, _| Search {
        sender: Some("info1".to_owned()),
        recipient: Some("info2".to_owned()),
        ..Search::default()
    }),
];

fn in_list(made: &Made) -> Search {
    Search {
        list: Some(made.list),
        ..Search::default()
    }
}

fn words(number: usize) -> Search {
    let word = |place| WORDS[drawn(number * 2 + place, WORDS.len())];
    Search {
        subject: Some(format!("{} {}", word(0), word(1))),
        ..Search::default()
    }
}

fn with(status: SearchStatus) -> Search {
    Search {
        status: Some(status),
        ..Search::default()
    }
}

async fn ask_all(store: &Store, count: usize) -> anyhow::Result<bool> {
    let start = start(store).await?;
    let newest = start + Duration::from_secs(DAYS * 86_400);
    let mut is_missed = false;
    for (what, question) in SEARCHES {
        let (mut took, mut found, mut cut) = (Vec::new(), 0, 0);
        for number in 0..QUESTIONS {
            let made = Made::new(drawn(number, count), count, start);
            let mut search = question(number, &made);
            search.limit = 50;
            let began = Instant::now();
            let page = store.search(&search).await?;
            took.push(began.elapsed());
            found += page.messages.len();
            cut += usize::from(page.is_cut);
        }
        let note = format!("{} found a page, {cut} cut", found / QUESTIONS);
        is_missed |= report(what, &mut took, &note);
    }
    is_missed |= deep_pages(store).await?;
    is_missed |= statistics(store, newest).await?;
    is_missed |= one_message(store, count, start).await?;
    Ok(is_missed)
}

/// When the first message came: what was filled in knows of each message by its number and this time.
async fn start(store: &Store) -> anyhow::Result<Timestamp> {
    let mut search = Search {
        user: Some(Made::new(0, MESSAGES, Timestamp::now()).user),
        limit: 1000,
        ..Search::default()
    };
    let mut oldest = None;
    loop {
        let page = store.search(&search).await?;
        if let Some(FoundMessage::Accepted { summary, .. }) = page.messages.last() {
            oldest = Some(summary.meta.received_at);
        }
        match page.next {
            Some(next) => search.before = Some(next),
            None => return oldest.context("no message of the first user"),
        }
    }
}

/// Page after page of everything: the hundredth costs what the first does.
async fn deep_pages(store: &Store) -> anyhow::Result<bool> {
    let mut search = Search {
        limit: 50,
        ..Search::default()
    };
    let mut took = Vec::new();
    for _ in 0..QUESTIONS {
        let began = Instant::now();
        let page = store.search(&search).await?;
        took.push(began.elapsed());
        search.before = page.next;
    }
    Ok(report("page after page", &mut took, ""))
}

async fn statistics(store: &Store, newest: Timestamp) -> anyhow::Result<bool> {
    let days = |days: u64| Period {
        from: newest - Duration::from_secs(days * 86_400),
        until: newest + Duration::from_secs(86_400),
    };
    let mut is_missed = false;
    for (what, span, period) in [
        ("statistics of a day by hour", Span::Hour, days(1)),
        ("statistics of a month by hour", Span::Hour, days(30)),
        ("statistics of a year by day", Span::Day, days(365)),
    ] {
        let mut took = Vec::new();
        for number in 0..QUESTIONS {
            let list = Some(drawn(number, LISTS) as i64 + 1);
            let began = Instant::now();
            store.statistics(list, span, period).await?;
            took.push(began.elapsed());
        }
        is_missed |= report(what, &mut took, "");
    }
    for dimension in Dimension::ALL {
        let mut took = Vec::new();
        for number in 0..QUESTIONS {
            let list = skewed(number, LISTS) as i64 + 1;
            let began = Instant::now();
            store.statistics_by(list, dimension, days(365), 20).await?;
            took.push(began.elapsed());
        }
        is_missed |= report(&format!("a year by {dimension:?}"), &mut took, "");
    }
    Ok(is_missed)
}

async fn one_message(store: &Store, count: usize, start: Timestamp) -> anyhow::Result<bool> {
    let mut took = Vec::new();
    for number in 0..QUESTIONS {
        let made = Made::new(drawn(number, count), count, start);
        let began = Instant::now();
        store.message(made.id).await?;
        store.decisions_about(made.id).await?;
        took.push(began.elapsed());
    }
    Ok(report("a message's timeline", &mut took, ""))
}

/// Prints a line; true when the bar is missed.
fn report(what: &str, took: &mut [Duration], note: &str) -> bool {
    took.sort_unstable();
    let percentile = |part: usize| took[(took.len() - 1) * part / 100];
    let is_missed = percentile(99) > BAR;
    let mark = if is_missed { "  MISSED" } else { "" };
    println!(
        "{what:<32} p50 {:>8.2?}  p99 {:>8.2?}  max {:>8.2?}  {note}{mark}",
        percentile(50),
        percentile(99),
        percentile(100)
    );
    is_missed
}

/// What this process has used, all threads together, in ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}
