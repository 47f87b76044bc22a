//! A decision in words, for whoever asks what happened.

use super::{Decision, Run, Stage, Step};

/// The reply that refused, for example `550 5.7.1 …`.
pub fn reply(decision: &Decision) -> Option<String> {
    decision
        .reply
        .as_ref()
        .map(|(code, text)| format!("{code} {text}"))
}

/// What each policy said, a line for each, then what was done to the message.
pub fn step_lines(decision: &Decision) -> Vec<String> {
    let shadow = match decision.run {
        Run::Enforced => "",
        Run::Shadow => ", in shadow",
    };
    let line = |step: &Step| {
        let policy = decision.chain.policy(step.policy());
        let version = policy.map_or("", |policy| policy.version.as_str());
        let rule = step.rule.split_once('/').map_or("", |(_, rule)| rule);
        let (name, said, price) = (step.policy(), &step.decision, step.price());
        let mut line = format!("{name} {version}{shadow}: {said} by {rule} ({price})");
        for (name, value) in &step.facts {
            line += &format!(" {name}={value}");
        }
        line
    };
    let steps = decision.steps.iter().map(line);
    let effects = decision.effects.iter().map(|effect| match decision.run {
        Run::Enforced => effect.clone(),
        Run::Shadow => format!("in shadow, would {effect}"),
    });
    steps.chain(effects).collect()
}

/// What was decided about, for example `RCPT ann@example.net`.
pub fn subject(decision: &Decision) -> String {
    let about = &decision.about;
    match about.stage {
        Stage::Message => format!("message to {}", recipients(decision)),
        Stage::Sender => "MAIL".to_owned(),
        Stage::Recipient => format!("RCPT {}", about.recipients),
    }
}

/// The first recipient, and how many more there are.
pub fn recipients(decision: &Decision) -> String {
    let about = &decision.about;
    let first = about.recipients.split(' ').next().unwrap_or_default();
    match about.recipient_count {
        0 | 1 => first.to_owned(),
        count => format!("{first} and {} more", count - 1),
    }
}

/// The address a person knows the message by: From, or else the reverse-path.
pub fn sender(decision: &Decision) -> String {
    let about = &decision.about;
    match (about.from.as_str(), &about.sender) {
        ("", None) => "<>".to_owned(),
        ("", Some(path)) => path.clone(),
        (from, _) => from.to_owned(),
    }
}
