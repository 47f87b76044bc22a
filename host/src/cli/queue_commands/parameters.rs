//! What a client asked for with MAIL and RCPT, as `gatepost queue show` prints it.

use serde_json::{Map, Value};

use crate::queue::{MessageDetails, MessageMeta};
use crate::smtp::{BodyType, RcptParameters};

/// The parameters of MAIL by their names; times are absolute.
pub(super) fn of_message(meta: &MessageMeta) -> Value {
    object(message_pairs(meta))
}

/// The parameters of RCPT by their names.
pub(super) fn of_recipient(parameters: &RcptParameters) -> Value {
    object(recipient_pairs(parameters))
}

/// The lines that follow the head of a timeline; none when nothing was asked for.
pub(super) fn lines(message: &MessageDetails) -> Vec<String> {
    let meta = &message.summary.meta;
    let mut lines = Vec::new();
    let asked = message_pairs(meta);
    if !asked.is_empty() {
        lines.push(format!("asked       {}", words(&asked)));
    }
    for recipient in &message.recipients {
        let asked = recipient_pairs(&recipient.parameters);
        if !asked.is_empty() {
            lines.push(format!(
                "            {}: {}",
                recipient.mailbox,
                words(&asked)
            ));
        }
    }
    if let Some(held_until) = meta.parameters.held_until {
        lines.push(format!("held until  {held_until}"));
    }
    lines
}

/// A name, and the value where there is one.
type Pair = (&'static str, Option<String>);

fn message_pairs(meta: &MessageMeta) -> Vec<Pair> {
    let asked = &meta.parameters;
    let body = match meta.body {
        BodyType::SevenBit => None,
        BodyType::EightBitMime => Some("8BITMIME"),
        BodyType::BinaryMime => Some("BINARYMIME"),
    };
    let deadline = asked.deliver_by.map(|deadline| {
        let mode = if deadline.returns() { "R" } else { "N" };
        let trace = if deadline.trace { "T" } else { "" };
        format!("{};{mode}{trace}", deadline.at)
    });
    let valued = [
        ("BODY", body.map(str::to_owned)),
        ("RET", asked.ret.map(|ret| ret.to_string())),
        (
            "ENVID",
            asked.envid.as_ref().map(|id| id.as_str().to_owned()),
        ),
        ("BY", deadline),
        (
            "MT-PRIORITY",
            asked.mt_priority.map(|one| one.value().to_string()),
        ),
    ];
    let flags = [
        ("SMTPUTF8", asked.smtputf8.is_some()),
        ("REQUIRETLS", asked.require_tls),
    ];
    let valued = valued.into_iter().filter(|(_, value)| value.is_some());
    let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
    valued.chain(flags.map(|(name, _)| (name, None))).collect()
}

fn recipient_pairs(asked: &RcptParameters) -> Vec<Pair> {
    let notify = asked.notify.map(|notify| notify.to_string());
    let orcpt = asked.orcpt.as_ref().map(|one| one.as_str().to_owned());
    let valued = [("NOTIFY", notify), ("ORCPT", orcpt)];
    valued
        .into_iter()
        .filter(|(_, value)| value.is_some())
        .collect()
}

fn object(pairs: Vec<Pair>) -> Value {
    let members = pairs.into_iter().map(|(name, value)| {
        let value = value.map_or(Value::Bool(true), Value::String);
        (name.to_owned(), value)
    });
    Value::Object(members.collect::<Map<_, _>>())
}

fn words(pairs: &[Pair]) -> String {
    let word = |(name, value): &Pair| match value {
        Some(value) => format!("{name}={value}"),
        None => (*name).to_owned(),
    };
    pairs.iter().map(word).collect::<Vec<_>>().join(" ")
}
