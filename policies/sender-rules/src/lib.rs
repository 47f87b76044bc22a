//! Gatepost's default policy: decides whether a user may send as this sender, and how urgent the
//! message is.
//!
//! The host has no copy of these rules. `rules` judges, `priority` weighs, `reply` and `alerts` say it
//! in words, and this file joins them to the interface of `wit/policy.wit`. All of it is pure and is
//! tested natively; only the exports exist in WebAssembly alone.

policy_kit::bindings!("frugal-policy");

mod alerts;
mod priority;
mod reply;
mod rules;
mod settings;

use bindings::exports::gatepost::policy::envelope_stage::{self, Request as EnvelopeRequest};
use bindings::exports::gatepost::policy::message_stage::{self, Request as MessageRequest};
use bindings::exports::gatepost::policy::needs::{self, MessageNeed, Need, Needs};
use bindings::gatepost::policy::types::{Address, Verdict};
use settings::Settings;

policy_kit::component!(SenderRules: "Checks the sender against the user's authorized domains and senders, \
                      and gives the message the more urgent of its own and the user's priority.");

impl message_stage::Guest for SenderRules {
    fn evaluate(request: MessageRequest) -> Result<Verdict, String> {
        let identity = &request.session.identity;
        let settings = Settings::in_force(&request.settings, identity)?;
        let priority = priority::effective(
            identity.default_priority,
            request.message.requested_priority,
            request.effective_priority,
        );
        let sender = request.envelope.mail_from.as_ref();
        let verdict = rules::judge_message(settings, identity, &request.message, sender);
        Ok(rules::prioritised(verdict, priority))
    }
}

impl envelope_stage::Guest for SenderRules {
    fn on_sender(request: EnvelopeRequest, sender: Option<Address>) -> Result<Verdict, String> {
        let identity = &request.session.identity;
        let settings = Settings::in_force(&request.settings, identity)?;
        Ok(rules::judge_sender(settings, identity, sender.as_ref()))
    }

    fn on_recipient(_request: EnvelopeRequest, _recipient: Address) -> Result<Verdict, String> {
        Ok(rules::judge_recipient())
    }
}

impl needs::Guest for SenderRules {
    /// Recipients are nothing to this policy, senders are compared with what the user may send as, and
    /// of the header fields the host has read all that counts.
    fn describe_needs(_settings: String) -> Needs {
        Needs {
            on_sender: Need::Identity,
            on_recipient: Need::Nothing,
            evaluate: MessageNeed::Originators,
            headers: false,
        }
    }
}
