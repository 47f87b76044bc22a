//! Measures the store alone: messages accepted and outcomes recorded each second.
//!
//! `bench-store [FOLDER] [MESSAGES] [CALLERS] [OCTETS]`; defaults: a folder under the temporary one,
//! 50,000 messages of 4,096 octets, 64 callers. Instead of a folder it takes the URL of an empty database on PostgreSQL. Every caller accepts a message and records its
//! delivery, one after the other, as a session and a delivery would. Accepts are measured without and
//! with the decision of the policies that comes with each of a client's messages.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use gatepost::clock::Timestamp;
use gatepost::decision::{
    About, Chain, Decision, Findings, NewDecision, Outcome as Decided, Policy, Run, Stage, Step,
};
use gatepost::id::{QueueId, QueueIds};
use gatepost::queue::{
    Attempt, AttemptRecord, Content, MessageMeta, MessageParameters, NewMessage, Outcome, Priority,
    RecipientStatus, RecordedAttempt, RemoteReply,
};
use gatepost::smtp::{BodyType, Mailbox};
use gatepost::store::{Config, Store};

/// Accepts are measured so often, in turn, for one alone says little.
const ROUNDS: usize = 2;

struct Plan {
    folder: PathBuf,
    messages: usize,
    callers: usize,
    octets: usize,
}

impl Plan {
    fn url(&self) -> anyhow::Result<String> {
        let named = self.folder.display().to_string();
        if named.starts_with("postgres") {
            return Ok(named);
        }
        std::fs::create_dir_all(&self.folder)?;
        let file = self.folder.join("bench.db");
        Ok(format!("sqlite://{}", file.display()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plan = plan()?;
    let config = Config {
        url: plan.url()?.into(),
        ..Config::default()
    };
    let store = Store::open(&config).await?;
    println!(
        "{} messages of {} octets, {} callers, {}",
        plan.messages, plan.octets, plan.callers, config.url
    );
    for round in 1..=ROUNDS {
        let accepts = run(&store, &plan, Phase::Accept(None)).await?;
        report(
            &format!("accepts without decisions, {round}"),
            &plan,
            accepts,
        );
        let decided = run(&store, &plan, Phase::Accept(Some(chain()))).await?;
        report(&format!("accepts with decisions, {round}"), &plan, decided);
    }
    let open = open_ids(&store).await?;
    let records = run(&store, &plan, Phase::Record(Arc::new(open))).await?;
    report("outcomes", &plan, records);
    let both = run(&store, &plan, Phase::Both).await?;
    report("accepts, each followed by its outcome", &plan, both);
    store.close().await;
    if plan.folder.is_dir() {
        std::fs::remove_dir_all(&plan.folder)?;
    }
    Ok(())
}

fn plan() -> anyhow::Result<Plan> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(
        || std::env::temp_dir().join(format!("bench-store-{}", std::process::id())),
        PathBuf::from,
    );
    let mut number = |default: usize| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse())
            .context("a number")
    };
    Ok(Plan {
        folder,
        messages: number(50_000)?,
        callers: number(64)?,
        octets: number(4096)?,
    })
}

#[derive(Clone)]
enum Phase {
    Accept(Option<Arc<Chain>>),
    Record(Arc<Vec<QueueId>>),
    Both,
}

/// What a phase took.
struct Taken {
    time: Duration,
    cpu: Duration,
    written: u64,
    latencies: Vec<Duration>,
}

async fn run(store: &Store, plan: &Plan, phase: Phase) -> anyhow::Result<Taken> {
    let ids = Arc::new(QueueIds::new());
    let next = Arc::new(AtomicUsize::new(0));
    let head = Bytes::from(vec![b'x'; plan.octets]);
    let (started, cpu, written) = (Instant::now(), cpu_time(), written());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..plan.callers {
        let (store, ids, next, head) = (store.clone(), ids.clone(), next.clone(), head.clone());
        let (phase, messages) = (phase.clone(), plan.messages);
        callers.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= messages {
                    return anyhow::Ok(latencies);
                }
                let began = Instant::now();
                match &phase {
                    Phase::Accept(chain) => {
                        accept(&store, ids.next(), &head, chain.as_ref()).await?
                    }
                    Phase::Record(open) => record(&store, open[place]).await?,
                    Phase::Both => {
                        let id = ids.next();
                        accept(&store, id, &head, None).await?;
                        record(&store, id).await?;
                    }
                }
                latencies.push(began.elapsed());
            }
        });
    }
    let mut latencies = Vec::with_capacity(plan.messages);
    while let Some(caller) = callers.join_next().await {
        latencies.extend(caller??);
    }
    latencies.sort_unstable();
    Ok(Taken {
        time: started.elapsed(),
        cpu: cpu_time().saturating_sub(cpu),
        written: self::written().saturating_sub(written),
        latencies,
    })
}

fn report(what: &str, plan: &Plan, taken: Taken) {
    let count = taken.latencies.len();
    let percentile = |part: usize| taken.latencies[(count - 1) * part / 100];
    println!(
        "{:>8.0} {what}/s   p50 {:.1?}  p99 {:.1?}  max {:.1?}   CPU {:.0} µs, {:.1} KiB written each",
        plan.messages as f64 / taken.time.as_secs_f64(),
        percentile(50),
        percentile(99),
        percentile(100),
        taken.cpu.as_secs_f64() * 1e6 / plan.messages as f64,
        taken.written as f64 / 1024.0 / plan.messages as f64,
    );
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

/// Octets this process has handed to the system to write.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines()
        .find_map(|line| line.strip_prefix("wchar: "))
        .and_then(|octets| octets.parse().ok())
        .unwrap_or(0)
}

async fn open_ids(store: &Store) -> anyhow::Result<Vec<QueueId>> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = store.open_messages(after, 5000).await?;
        ids.extend(page.iter().map(|message| message.id));
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(ids),
        }
    }
}

async fn accept(
    store: &Store,
    id: QueueId,
    head: &Bytes,
    chain: Option<&Arc<Chain>>,
) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let message = NewMessage {
        id,
        meta: MessageMeta {
            list_id: Some(1),
            username: "s1_1".to_owned(),
            reverse_path: Some(mailbox("bounces@shop.example.com")),
            priority: Priority::Normal,
            body: BodyType::EightBitMime,
            parameters: MessageParameters::default(),
            subject: "Your order 1234567 has been shipped".to_owned(),
            message_id: format!("<{id}@shop.example.com>"),
            session_id: "0f3k9m2x7q1ab".to_owned(),
            rule: "sender-rules/authorized-domain".to_owned(),
            received_at: now,
            expires_at: now + Duration::from_secs(4 * 86_400),
            way: gatepost::queue::Way::default(),
            origin: gatepost::queue::Origin::default(),
        },
        recipients: vec![mailbox("somebody@mail.example.net").into()],
        content: Content {
            head: head.clone(),
            staged_chunks: 0,
            size: head.len() as u64,
        },
    };
    let findings = Findings {
        alerts: Vec::new(),
        decision: chain.map(|chain| Box::new(decision(id, now, chain))),
    };
    store.accept(Arc::new(message), findings).await?;
    Ok(())
}

/// The chain of the default configuration.
fn chain() -> Arc<Chain> {
    let policy = Policy {
        name: "sender-rules".to_owned(),
        module: "builtin:sender-rules".to_owned(),
        version: "0.1.0".to_owned(),
        sha256: "6c04dffddb0a7320d9cf226eda22fdb80214f1062c07ac7c2305e3c77f904db1".to_owned(),
        mode: "enforce".to_owned(),
        settings: r#"{"unauthorized":"block"}"#.to_owned(),
    };
    Arc::new(Chain::new(vec![policy]))
}

/// What is kept of the verdict about a message.
fn decision(id: QueueId, at: Timestamp, chain: &Arc<Chain>) -> NewDecision {
    let step = Step {
        rule: "sender-rules/authorized-domain".to_owned(),
        decision: "accept".to_owned(),
        fuel: 20_123,
        us: 31,
        failure: None,
        facts: Vec::new(),
    };
    let decision = Decision {
        about: About {
            id,
            at,
            stage: Stage::Message,
            list_id: Some(1),
            username: "s1_1".to_owned(),
            session_id: "0f3k9m2x7q1ab".to_owned(),
            sender: Some("bounces@shop.example.com".to_owned()),
            from: "orders@shop.example.com".to_owned(),
            recipients: "somebody@mail.example.net".to_owned(),
            recipient_count: 1,
            header: None,
        },
        run: Run::Enforced,
        generation: 1,
        chain: Arc::clone(chain),
        outcome: Decided::Accepted,
        priority: Priority::Normal,
        reply: None,
        steps: vec![step],
        effects: Vec::new(),
    };
    NewDecision {
        decision,
        request: None,
    }
}

async fn record(store: &Store, id: QueueId) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let reply = RemoteReply {
        code: 250,
        text: "2.0.0 Ok: queued as 4XyZ0a1b2c3d".to_owned(),
    };
    let attempt = Attempt {
        began_at: None,
        recipient: 0,
        at: now,
        next_hop: "mx1.mail.example.net:25".to_owned(),
        tls: "1.3, not verified".to_owned(),
        outcome: Outcome::Delivered(reply),
    };
    let record = AttemptRecord {
        id,
        attempts: vec![RecordedAttempt {
            attempt,
            status: RecipientStatus::Delivered,
            due_at: now,
            delay_told_at: None,
        }],
    };
    Ok(store.record(record).await?)
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("a mailbox")
}
