//! `gatepost policy bench`: what asking a module costs, side by side with the built-in rules.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::cases::Outcome;
use super::run::recorded;
use super::{Module, sample};
use crate::cli::output::table;
use crate::cli::{Failure, Output};
use crate::policy::Workbench;
use crate::policy::document::Request;

/// The module that others are compared with.
const BUILTIN: &str = "builtin:sender-rules";

/// `gatepost policy bench`
#[derive(Debug, clap::Args)]
pub struct Bench {
    #[command(flatten)]
    module: Module,
    /// Evaluations that are measured, each in a fresh instance; a tenth as many go before
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rounds: u32,
    /// A recorded request to ask about, instead of an ordinary message with 20 header fields
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
}

/// What one module costs.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Price {
    module: String,
    p50_micros: u64,
    p99_micros: u64,
    max_micros: u64,
    fuel: u64,
    memory_bytes: u64,
}

/// Measures the module and the built-in one.
pub async fn run(bench: &Bench, output: Output) -> Result<ExitCode, Failure> {
    let recorded = bench.request.as_deref().map(recorded).transpose()?;
    let mut modules = vec![&bench.module];
    let builtin = Module {
        file: BUILTIN.to_owned(),
        ..Module::default()
    };
    if bench.module.file != BUILTIN {
        modules.push(&builtin);
    }
    let mut prices = Vec::new();
    for module in modules {
        let loaded = module.load().await?;
        let mut request = match &recorded {
            Some(request) => request.clone(),
            None => sample::request(&loaded.settings())?,
        };
        request.settings = loaded.settings();
        prices.push(measure(&module.file, &loaded, &request, bench.rounds).await?);
    }
    output.print(&prices, || text(&prices))?;
    Ok(ExitCode::SUCCESS)
}

async fn measure(
    name: &str,
    module: &Workbench,
    request: &Request,
    rounds: u32,
) -> Result<Price, Failure> {
    let mut outcomes = Vec::with_capacity(rounds as usize);
    for round in 0..rounds + rounds / 10 {
        let trial = module.ask(request).await;
        let trial = trial.ok_or_else(|| Failure::message(format!("{name} has no such stage")))?;
        if let Err((kind, detail)) = &trial.verdict {
            return Err(Failure::message(format!(
                "{name} failed ({kind}): {detail}"
            )));
        }
        if round >= rounds / 10 {
            outcomes.push(Outcome::of(&trial));
        }
    }
    let mut micros: Vec<u64> = outcomes.iter().map(|outcome| outcome.micros).collect();
    micros.sort_unstable();
    let at = |percent: usize| micros[(micros.len() - 1) * percent / 100];
    let last = outcomes.last().expect("at least one round");
    Ok(Price {
        module: name.to_owned(),
        p50_micros: at(50),
        p99_micros: at(99),
        max_micros: at(100),
        fuel: last.fuel,
        memory_bytes: last.memory_bytes,
    })
}

fn text(prices: &[Price]) -> String {
    let row = |price: &Price| {
        vec![
            price.module.clone(),
            format!("{} us", price.p50_micros),
            format!("{} us", price.p99_micros),
            format!("{} us", price.max_micros),
            price.fuel.to_string(),
            format!("{} KiB", price.memory_bytes >> 10),
        ]
    };
    let rows: Vec<_> = prices.iter().map(row).collect();
    table(&["module", "p50", "p99", "max", "fuel", "memory"], &rows)
}
