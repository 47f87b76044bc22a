//! Lets shops and contact forms write their visitor's address into From: an unauthorized From becomes an
//! authorized sender of the user, and Reply-To names who it was.
//!
//! `settings` reads which address it becomes, `rewriting` says what is to change, and this file joins them to
//! the interface of `wit/policy.wit`. It decides nothing: `sender-rules` behind it sees the message as it
//! then is. It needs the grant `effects`.

policy_kit::bindings!("full-policy");

mod rewriting;
mod settings;

use bindings::exports::gatepost::policy::envelope_stage::{self, Request as EnvelopeRequest};
use bindings::exports::gatepost::policy::message_stage::{self, Request as MessageRequest};
use bindings::gatepost::policy::effects;
use bindings::gatepost::policy::types::{Address, Decision, Error, Fact, Verdict};
use policy_kit::settings::in_words;
use rewriting::{Change, Plan, rule};
use settings::Settings;

/// The addresses that were replaced, in the decision log.
const FACT_REPLACED: &str = "x.replaced";
/// What they were replaced by.
const FACT_ADDRESS: &str = "x.address";

policy_kit::component!(RewriteFrom: "Makes an unauthorized From the authorized sender of the user, with Reply-To set to \
                      the original.");

impl message_stage::Guest for RewriteFrom {
    fn evaluate(request: MessageRequest) -> Result<Verdict, String> {
        let settings = read(&request.settings)?;
        let mail_from = request.envelope.mail_from.as_ref();
        let identity = &request.session.identity;
        let plan = rewriting::of_message(&settings, identity, &request.message, mail_from);
        carry_out(&settings, &plan)?;
        Ok(verdict(&plan))
    }
}

impl envelope_stage::Guest for RewriteFrom {
    fn on_sender(request: EnvelopeRequest, sender: Option<Address>) -> Result<Verdict, String> {
        let settings = read(&request.settings)?;
        let identity = &request.session.identity;
        let plan = rewriting::of_sender(&settings, identity, sender.as_ref());
        carry_out(&settings, &plan)?;
        Ok(verdict(&plan))
    }

    fn on_recipient(_request: EnvelopeRequest, _recipient: Address) -> Result<Verdict, String> {
        Ok(verdict(&Plan::nothing(rule::RECIPIENT_UNCHECKED)))
    }
}

fn read(settings: &str) -> Result<Settings, String> {
    settings::read(settings).map_err(|problems| in_words(&problems))
}

/// Asks the host for every change; the message stays as it is when one of them cannot be.
fn carry_out(settings: &Settings, plan: &Plan) -> Result<(), String> {
    let told = |error: Error| format!("cannot rewrite ({}): {}", error.code, error.message);
    for change in &plan.changes {
        let done = match change {
            Change::From => effects::replace_from(&plan.address, settings.display_name.as_deref()),
            Change::Sender => effects::remove_header("Sender"),
            Change::ReversePath => effects::replace_reverse_path(&plan.address),
        };
        done.map_err(told)?;
    }
    Ok(())
}

/// Passes in any case: who may send what is left is for the next policy to say.
fn verdict(plan: &Plan) -> Verdict {
    let fact = |name: &str, value: &str| Fact {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let facts = match plan.changes.is_empty() {
        true => Vec::new(),
        false => vec![
            fact(FACT_REPLACED, &plan.replaced),
            fact(FACT_ADDRESS, &plan.address),
        ],
    };
    Verdict {
        decision: Decision::Pass,
        priority: None,
        alerts: Vec::new(),
        rule: plan.rule.to_owned(),
        facts,
    }
}

#[cfg(test)]
mod tests;
