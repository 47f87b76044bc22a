//! `gatepost policy diff`: what another policy would have changed about mail that was recorded.

mod compare;
mod report;
mod shadow;
mod side;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use self::compare::{Comparison, Subject};
use self::shadow::{Candidate, Compared};
use self::side::{Side, Source};
use super::Module;
use super::decisions::Which;
use super::module::policy_name;
use super::records::Records;
use crate::cli::{Failure, Output, open_of};
use crate::policy::Wasi;

/// `gatepost policy diff`
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// The old side, unless --old-config is given: a component file, or `builtin:sender-rules`
    #[arg(value_name = "OLD")]
    first: Option<String>,
    /// The new side, unless --new-config is given
    #[arg(value_name = "NEW")]
    second: Option<String>,
    /// Settings of OLD: a TOML or JSON file, or JSON like '{"unauthorized":"alert"}'
    #[arg(long, value_name = "FILE|JSON")]
    old_settings: Option<String>,
    /// Settings of NEW
    #[arg(long, value_name = "FILE|JSON")]
    new_settings: Option<String>,
    /// The part of WASI that both may import: none or inert [default: none]
    #[arg(long, value_name = "TIER")]
    wasi: Option<Wasi>,
    /// The chain of this configuration is the old side
    #[arg(long, value_name = "FILE", conflicts_with = "old_settings")]
    old_config: Option<PathBuf>,
    /// The chain of this configuration is the new side
    #[arg(long, value_name = "FILE", conflicts_with = "new_settings")]
    new_config: Option<PathBuf>,
    /// Compare what this policy in mode shadow decided about real mail with what was done; needs no recorded requests
    #[arg(long, value_name = "POLICY", conflicts_with_all = ["first", "old_config", "new_config", "old_settings", "new_settings", "wasi", "records", "rule", "outcome"])]
    shadow: Option<String>,
    /// The policy in shadow would take the place of this one; without it, it would be asked beside the others
    #[arg(long, value_name = "POLICY", requires = "shadow")]
    instead_of: Option<String>,
    /// Requests of `gatepost policy records export`, `-` for standard input [default: those of the store]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["list", "user", "sender", "recipient", "rule", "outcome", "since", "until"])]
    records: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Exit with 1 when more than so many requests, or so many per cent of them, would be noticed to change
    #[arg(long, value_name = "N|N%")]
    max_changed: Option<Threshold>,
}

/// How much may change.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Threshold {
    Count(u64),
    Percent(f64),
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "say a number of requests like 20, or a part of them like 0.5%".to_owned();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
            Some(number) => {
                let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
                let is_part = (0.0..=100.0).contains(&percent);
                is_part.then_some(Self::Percent(percent)).ok_or_else(wrong)
            }
        }
    }
}

impl Threshold {
    fn exceeded(self, comparison: &Comparison) -> Failure {
        let (changed, total) = (comparison.changed(), comparison.total);
        let most = match self {
            Self::Count(most) => most.to_string(),
            Self::Percent(most) => format!("{most} %"),
        };
        Failure::message(format!(
            "{changed} of {total} requests would change, more than the {most} that may"
        ))
        .hint("read above who would notice; raise --max-changed when that is what you want")
    }

    fn is_exceeded(self, comparison: &Comparison) -> bool {
        match self {
            Self::Count(most) => comparison.changed() > most,
            Self::Percent(most) => report::percent(comparison.changed(), comparison.total) > most,
        }
    }
}

/// Compares both sides; the exit code is 1 when more changed than may.
///
/// # Errors
/// When a side cannot be loaded or the records not read.
pub async fn run(diff: Diff, config: Option<&Path>, output: Output) -> Result<ExitCode, Failure> {
    let threshold = diff.max_changed;
    let compared = match diff.shadow.clone() {
        Some(name) => shadowed(diff, name, config).await?,
        None => replayed(diff, config).await?,
    };
    let Compared {
        comparison,
        old,
        new,
    } = compared;
    output.print(&report::value(&comparison, &old, &new), || {
        report::text(&comparison, &old, &new)
    })?;
    match threshold {
        Some(most) if most.is_exceeded(&comparison) => Err(most.exceeded(&comparison)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Asks both sides what was recorded.
async fn replayed(diff: Diff, config: Option<&Path>) -> Result<Compared, Failure> {
    let (old, new) = sides(&diff).await?;
    let comparison = match &diff.records {
        Some(file) => compare(Records::of_file(file)?, &old, &new).await?,
        None => {
            let store = open_of(config).await?;
            let filter = diff.which.filter(&store, 0).await?;
            compare(Records::of_store(&store, filter), &old, &new).await?
        }
    };
    if comparison.total == 0 {
        return Err(Failure::message("there are no recorded requests to compare").hint(
            "set policy.record.enabled, or name a file by --records; without them nothing can be told",
        ));
    }
    Ok(Compared {
        comparison,
        old: old.described(),
        new: new.described(),
    })
}

/// Compares what was decided in shadow with what was done.
async fn shadowed(diff: Diff, name: String, config: Option<&Path>) -> Result<Compared, Failure> {
    let candidate = Candidate {
        name,
        instead_of: diff.instead_of,
    };
    let store = open_of(config).await?;
    let filter = diff.which.filter(&store, 0).await?;
    let compared = shadow::compare(&store, filter, &candidate).await?;
    if compared.comparison.total == 0 {
        let text = format!("no policy `{}` has decided in shadow", candidate.name);
        return Err(Failure::message(text).hint(
            "give its entry of [[policy.chain]] mode = \"shadow\" and let mail come in; what there is shows \
             `gatepost policy decisions`",
        ));
    }
    Ok(compared)
}

async fn sides(diff: &Diff) -> Result<(Side, Side), Failure> {
    let mut modules = [&diff.first, &diff.second].into_iter().flatten().cloned();
    let mut source = |config: &Option<PathBuf>, settings: &Option<String>, what: &str| {
        if let Some(path) = config {
            return Ok(Source::Config(path.clone()));
        }
        let file = modules.next().ok_or_else(|| {
            let text = format!("the {what} side is missing");
            Failure::message(text).hint(format!(
                "name a module, or a configuration by --{what}-config"
            ))
        })?;
        Ok::<_, Failure>(Source::Module(Module {
            file,
            settings: settings.clone(),
            wasi: diff.wasi,
        }))
    };
    let old = source(&diff.old_config, &diff.old_settings, "old")?;
    let new = source(&diff.new_config, &diff.new_settings, "new")?;
    if let Some(more) = modules.next() {
        let hint = "a side is a module or a configuration, not both";
        return Err(Failure::message(format!("{more} is one side too many")).hint(hint));
    }
    // The new module takes the old one's name, and with it the names of its rules.
    let called = match (&old, &new) {
        (Source::Module(module), _) | (_, Source::Module(module)) => policy_name(&module.file),
        _ => String::new(),
    };
    Ok((
        Side::load(old, &called).await?,
        Side::load(new, &called).await?,
    ))
}

async fn compare(mut records: Records<'_>, old: &Side, new: &Side) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::default();
    while let Some(record) = records.next().await? {
        let (before, after) = (
            old.answer(&record.request).await,
            new.answer(&record.request).await,
        );
        let subject = Subject::of_request(record.id, &record.request);
        comparison.add(subject, &before, &after);
    }
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_or_a_part() {
        assert_eq!("20".parse(), Ok(Threshold::Count(20)));
        assert_eq!("0.5%".parse(), Ok(Threshold::Percent(0.5)));
        for wrong in ["", "%", "-1", "101%", "NaN%", "x"] {
            assert!(wrong.parse::<Threshold>().is_err(), "{wrong}");
        }
        let comparison = Comparison {
            total: 200,
            unchanged: 198,
            ..Comparison::default()
        };
        let cases = [
            (Threshold::Count(2), false),
            (Threshold::Count(1), true),
            (Threshold::Percent(1.0), false),
            (Threshold::Percent(0.9), true),
        ];
        for (threshold, expected) in cases {
            assert_eq!(
                threshold.is_exceeded(&comparison),
                expected,
                "{threshold:?}"
            );
        }
    }
}
