//! The policies: the chain in force, what each may do and costs, what it decided, and the last reload.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::answer::{page, see_other};
use super::errors::UiError;
use super::frame::{Flash, Frame};
use super::html;
use super::visit::Visitor;
use crate::admin::service::{ChainEntry, PolicyReport};
use crate::policy::{DefaultDecision, Grant, Mode, OnFailure, Wasi};

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/policies", get(policies))
        .route("/policies/reload", post(reload))
}

#[derive(Template)]
#[template(path = "policies.html")]
struct PoliciesPage {
    frame: Frame,
    report: PolicyReport,
}

impl ChainEntry {
    /// What it may do beside deciding, with whether it does.
    fn powers(&self) -> Vec<(Grant, bool)> {
        let Some(info) = &self.info else {
            return self
                .config
                .grants
                .iter()
                .map(|grant| (*grant, false))
                .collect();
        };
        let used = info.powers().map(|power| (power, true));
        used.chain(info.unused_grants().map(|grant| (grant, false)))
            .collect()
    }

    const fn mode_badge(&self) -> &'static str {
        match self.config.mode {
            Mode::Enforce => "good",
            Mode::Shadow => "warn",
            Mode::Off => "plain",
        }
    }

    const fn on_failure(&self) -> &'static str {
        match self.config.on_failure {
            OnFailure::Defer => "the client is told to try again",
            OnFailure::Reject => "the message is refused",
            OnFailure::Accept => "the message goes on as if it had been accepted",
        }
    }

    fn has_wasi(&self) -> bool {
        self.config.wasi != Wasi::None
    }

    fn is_sampled(&self) -> bool {
        self.config.mode == Mode::Shadow && self.config.shadow_sample < 1.0
    }

    /// How much of its fuel it used.
    fn fuel_share(&self) -> String {
        let used = self.price.map_or(0, |price| price.mean_fuel());
        let share = used
            .saturating_mul(100)
            .checked_div(self.config.limits.fuel);
        match share.unwrap_or(0) {
            0 => "less than 1 %".to_owned(),
            share => format!("{share} %"),
        }
    }
}

/// What a power lets a policy do.
const fn power_text(grant: &Grant) -> &'static str {
    match grant {
        Grant::Counters => "keeps sums over time",
        Grant::Effects => "changes messages and their way",
        Grant::Content => "reads whole messages",
    }
}

impl PoliciesPage {
    fn refuses_by_default(&self) -> bool {
        self.report.default == DefaultDecision::Reject
    }

    fn power_text(&self, grant: &Grant) -> &'static str {
        power_text(grant)
    }

    fn badge(&self, decision: &str) -> &'static str {
        match decision {
            "accept" => "good",
            "reject" | "failed" => "bad",
            "defer" => "warn",
            _ => "plain",
        }
    }
}

async fn policies(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    let report = site.service.policy_report(&visitor.actor).await?;
    Ok(page(&PoliciesPage {
        frame: site.frame(&visitor, "Policies", "policies"),
        report,
    }))
}

async fn reload(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    site.service.ask_for_reload(&visitor.actor).await?;
    let flash = Flash::done("A reload is asked for. What comes of it shows below in a moment.");
    Ok(visitor.visit.say(see_other("/policies"), &flash))
}
