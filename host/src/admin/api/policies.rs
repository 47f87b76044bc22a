//! The policies in force, what they decided lately, and reading them again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::access::{Reader, Writer};
use super::problem::Problem;
use super::refusals::Refused;
use crate::admin::service::{ChainEntry, PolicyReport};
use crate::decision::{Price, RuleCount, ShadowCount};
use crate::policy::{DefaultDecision, OnFailure, PolicyInfo, Wasi};
use crate::store::ReloadOutcome;

/// The policies in force.
#[derive(Serialize, ToSchema)]
pub struct PoliciesDocument {
    /// The number of the set in force, counted from the start of the relay.
    generation: u64,
    /// What happens to a message on which no policy has an opinion: `accept` or `reject`.
    default: String,
    /// The policies in the order they are asked, those that are off included.
    chain: Vec<PolicyDocument>,
    /// What was decided within a day.
    lately: LatelyDocument,
    /// What came of the last reload; null: there was none.
    reload: Option<ReloadDocument>,
    /// Whether a reload is asked for and not answered.
    is_reloading: bool,
}

/// A policy of the chain.
#[derive(Serialize, ToSchema)]
pub struct PolicyDocument {
    /// Its name in the configuration.
    #[schema(example = "sender-rules")]
    name: String,
    /// Where it is read from.
    module: String,
    /// `enforce`, `shadow` or `off`.
    mode: String,
    /// What happens to a message when it fails: `defer`, `reject` or `accept`.
    on_failure: String,
    /// The part of WASI that it may import: `none` or `inert`.
    wasi: String,
    /// Fuel that one evaluation may take.
    fuel_limit: u64,
    /// What the configuration lets it import.
    grants: Vec<String>,
    /// The module that is loaded; null when it is off.
    loaded: Option<LoadedDocument>,
    /// What it cost lately; null when it was not asked.
    price: Option<PriceDocument>,
    /// How it would have decided, in shadow; null when it was not asked in shadow.
    shadow: Option<ShadowDocument>,
}

/// A module that is loaded.
#[derive(Serialize, ToSchema)]
pub struct LoadedDocument {
    /// What it calls itself.
    title: String,
    /// The version that it states.
    version: String,
    /// What it does, in its own words.
    summary: String,
    /// SHA-256 of the component.
    sha256: String,
    /// The stages that it takes part in.
    stages: Vec<String>,
    /// What it can do besides deciding.
    powers: Vec<String>,
}

/// What evaluations cost.
#[derive(Serialize, ToSchema)]
pub struct PriceDocument {
    /// How many there were.
    evaluations: u64,
    /// Fuel of all of them.
    fuel: u64,
    /// Microseconds of all of them.
    us: u64,
    /// Microseconds of the longest.
    longest_us: u64,
    /// Those without a usable verdict.
    failures: u64,
}

/// How a policy in shadow would have decided.
#[derive(Serialize, ToSchema)]
pub struct ShadowDocument {
    /// Messages that both decided about.
    compared: u64,
    /// Those with another outcome or priority.
    different: u64,
    /// Some of these by queue id, the newest first.
    examples: Vec<String>,
}

/// Sums over the newest decisions.
#[derive(Serialize, ToSchema)]
pub struct LatelyDocument {
    /// How many were summed up.
    decisions: u64,
    /// The oldest of them; null when there is none.
    since: Option<String>,
    /// Whether there were more within a day.
    is_cut: bool,
    /// By rule, the most frequent first.
    rules: Vec<RuleDocument>,
}

/// How often a rule decided something.
#[derive(Serialize, ToSchema)]
pub struct RuleDocument {
    /// The policy's name and its rule.
    #[schema(example = "sender-rules/authorized")]
    rule: String,
    /// `pass`, `accept`, `reject`, `defer` or `failed`.
    decision: String,
    /// Whether it was asked in shadow.
    is_shadow: bool,
    /// How often.
    count: u64,
}

/// What came of a reload.
#[derive(Serialize, ToSchema)]
pub struct ReloadDocument {
    /// When it began.
    #[schema(format = DateTime)]
    begun_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: String,
    /// Why everything stayed as it was; null when it was taken.
    error: Option<String>,
    /// What to do about that.
    hint: Option<String>,
    /// What changed, a line each.
    changes: Vec<String>,
    /// The sections of the configuration that changed but need a restart.
    restart: Vec<String>,
}

const fn price(price: &Price) -> PriceDocument {
    PriceDocument {
        evaluations: price.evaluations,
        fuel: price.fuel,
        us: price.us,
        longest_us: price.longest_us,
        failures: price.failures,
    }
}

fn shadow(shadow: &ShadowCount) -> ShadowDocument {
    let examples = shadow.examples.iter();
    ShadowDocument {
        compared: shadow.compared,
        different: shadow.different,
        examples: examples.map(|one| one.id.to_string()).collect(),
    }
}

fn loaded(info: &PolicyInfo) -> LoadedDocument {
    let stages = info.stages.iter();
    LoadedDocument {
        title: info.title.clone(),
        version: info.version.clone(),
        summary: info.summary.clone(),
        sha256: info.sha256.clone(),
        stages: stages.map(|stage| (*stage).to_owned()).collect(),
        powers: info.powers().map(|power| power.to_string()).collect(),
    }
}

fn policy(entry: &ChainEntry) -> PolicyDocument {
    let config = &entry.config;
    let on_failure = match config.on_failure {
        OnFailure::Defer => "defer",
        OnFailure::Reject => "reject",
        OnFailure::Accept => "accept",
    };
    let wasi = match config.wasi {
        Wasi::None => "none",
        Wasi::Inert => "inert",
    };
    PolicyDocument {
        name: config.name.clone(),
        module: config.module.clone(),
        mode: config.mode.as_str().to_owned(),
        on_failure: on_failure.to_owned(),
        wasi: wasi.to_owned(),
        fuel_limit: config.limits.fuel,
        grants: config.grants.iter().map(ToString::to_string).collect(),
        loaded: entry.info.as_ref().map(loaded),
        price: entry.price.as_ref().map(price),
        shadow: entry.shadow.as_ref().map(shadow),
    }
}

fn rule(count: &RuleCount) -> RuleDocument {
    RuleDocument {
        rule: count.rule.clone(),
        decision: count.decision.clone(),
        is_shadow: count.is_shadow,
        count: count.count,
    }
}

fn reload(outcome: ReloadOutcome) -> ReloadDocument {
    let (error, hint) = match outcome.failure {
        Some(failure) => (Some(failure.error), Some(failure.hint)),
        None => (None, None),
    };
    ReloadDocument {
        begun_at: outcome.begun_at.to_string(),
        ended_at: outcome.ended_at.to_string(),
        error,
        hint,
        changes: outcome.changes,
        restart: outcome.restart,
    }
}

fn document(report: PolicyReport) -> PoliciesDocument {
    let default = match report.default {
        DefaultDecision::Accept => "accept",
        DefaultDecision::Reject => "reject",
    };
    let lately = &report.lately;
    PoliciesDocument {
        generation: report.generation,
        default: default.to_owned(),
        chain: report.chain.iter().map(policy).collect(),
        lately: LatelyDocument {
            decisions: lately.decisions,
            since: lately.since.map(|at| at.to_string()),
            is_cut: report.is_cut,
            rules: lately.rules.iter().map(rule).collect(),
        },
        reload: report.reload.map(reload),
        is_reloading: report.is_reloading,
    }
}

/// Shows the policies in force
///
/// What each may do and costs, what was decided within a day, and what came of the last reload. Needs a token of an
/// operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/policies",
    operation_id = "show_policies",
    tag = "Policies",
    responses(
        (status = 200, description = "The policies", body = PoliciesDocument),
        Refused,
    )
)]
pub async fn report(
    State(api): State<Api>,
    Reader(caller): Reader,
) -> Result<Json<PoliciesDocument>, Problem> {
    let report = api.service.policy_report(&caller.actor).await?;
    Ok(Json(document(report)))
}

/// Has configuration, certificates and policies read again
///
/// What comes of it is in `reload` of the policies in force, as soon as `is_reloading` is false. Needs a token of an
/// operator that is not narrowed to lists.
#[utoipa::path(
    post,
    path = "/policies/reload",
    operation_id = "reload",
    tag = "Policies",
    responses(
        (status = 202, description = "It is asked for"),
        Refused,
    )
)]
pub async fn ask_for_reload(
    State(api): State<Api>,
    Writer(caller): Writer,
) -> Result<StatusCode, Problem> {
    api.service.ask_for_reload(&caller.actor).await?;
    Ok(StatusCode::ACCEPTED)
}
