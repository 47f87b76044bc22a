//! Measures the panel with a million messages, 10,000 users and 1,000 lists: what it asks of the store, and every page.
//!
//! `bench-panel [MESSAGES] [FOLDER] [PAGES]`; defaults: 1,000,000 in a folder under the temporary one, which is deleted
//! afterwards; a folder that is named is kept, and what is in it is measured again. It fills a store through the
//! store's own code, sums it up and indexes it, then asks each question many times and prints p50 and p99; then it starts
//! the relay on it and opens each page many times. With PAGES only pages whose name contains that text are opened, and
//! nothing else is asked. Ends with 1 when a p99 is above 50 ms.

mod accounts;
mod made;
mod messages;
mod pages;
mod questions;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gatepost::clock::Timestamp;
use gatepost::store::{Config, Store};

use self::made::Made;
use self::report::Report;

/// Messages when no number is given.
const MESSAGES: usize = 1_000_000;
/// The file that tells what the store of a folder was filled with: the number of messages, and when the first one came.
const MADE: &str = "made";

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments
        .next()
        .map_or(Ok(MESSAGES), |text| text.parse())
        .context("a number of messages")?;
    let kept = arguments.next().map(PathBuf::from);
    let only = arguments.next();
    let folder = kept.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("bench-panel-{}", std::process::id()))
    });
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let mut report = Report::default();
    let runtime = tokio::runtime::Runtime::new()?;
    let is_whole = only.is_none();
    let made = runtime.block_on(of_store(&folder, count, is_whole, &mut report))?;
    pages::open_all(&folder, &made, only.as_deref(), &mut report)?;
    if kept.is_none() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(ExitCode::from(u8::from(!report.end())))
}

/// Fills the store when it is not there, and asks it everything.
async fn of_store(
    folder: &Path,
    count: usize,
    is_whole: bool,
    report: &mut Report,
) -> anyhow::Result<Made> {
    let config = Config {
        url: url(folder).into(),
        ..Config::default()
    };
    let known = folder.join(MADE);
    let is_filled = known.exists();
    let store = Store::open(&config).await?;
    let made = if is_filled {
        read(&known)?
    } else {
        let made = fill(&store, count).await?;
        let text = format!("{} {}", made.count, made.start.as_millis());
        std::fs::write(&known, text)?;
        made
    };
    if is_whole {
        background(&store, made.count).await?;
        for (what, file) in [("store", "panel.db"), ("search index", "panel.db.search")] {
            let octets = std::fs::metadata(folder.join(file))?.len();
            println!("{what}: {} MiB", octets >> 20);
        }
        questions::ask_all(&store, &made, report).await?;
    }
    store.close().await;
    Ok(made)
}

async fn fill(store: &Store, count: usize) -> anyhow::Result<Made> {
    let began = Instant::now();
    let made = Made::until_now(count);
    accounts::fill(store, &made).await?;
    messages::fill(store, made).await?;
    println!("{count} messages stored within {:.0?}", began.elapsed());
    Ok(made)
}

fn read(known: &Path) -> anyhow::Result<Made> {
    let text = std::fs::read_to_string(known)?;
    let (count, start) = text.split_once(' ').context("two numbers")?;
    Ok(Made {
        count: count.parse()?,
        start: Timestamp::from_millis(start.trim().parse()?),
    })
}

/// The store of a folder, as the configuration names it.
fn url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("panel.db").display())
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

fn cpu_time() -> Duration {
    gatepost_tests::cpu::of_threads(std::process::id())
}
