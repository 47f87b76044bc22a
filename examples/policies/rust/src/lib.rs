//! Gatepost's sender rules in Rust: who may send as whom, and how urgent a message is.
//!
//! The interface is wit/policy.wit; the host calls the three implementations at the end of this file.
//! Addresses and list entries arrive normalised, so the rules are comparisons of texts. This is the short
//! version; the one that ships, `policies/sender-rules`, is made to be fast and to say more.

wit_bindgen::generate!({
    world: "submission-policy",
    // The folder with policy.wit; elsewhere than here, your copy of it.
    path: "../../../wit",
});

use exports::gatepost::policy::lifecycle::{self, Descriptor, Problem};
use exports::gatepost::policy::{envelope_stage, message_stage};
use gatepost::policy::types::{
    Address, Alert, Decision, EnhancedCode, Fact, Identity, Message, Originators, Priority, Reply,
    Severity, Verdict,
};
use serde_json::Value;

// --- Settings ---

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
"unauthorized":{"enum":["block","alert"],"default":"block"},
"check":{"type":"array","items":{"enum":["from","sender","envelope"]},"minItems":1,"uniqueItems":true,
"default":["from","sender","envelope"]}}}"#;

/// Where a sender's address stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    From,
    Sender,
    Envelope,
}

use Place::{Envelope, From, Sender};

impl Place {
    fn read(word: &str) -> Option<Self> {
        [From, Sender, Envelope]
            .into_iter()
            .find(|place| place.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            From => "from",
            Sender => "sender",
            Envelope => "envelope",
        }
    }

    /// Where a person finds it.
    fn whereabouts(self) -> &'static str {
        match self {
            From => "From field of the message",
            Sender => "Sender field of the message",
            Envelope => "envelope sender: your From address, or the Return-Path where set",
        }
    }

    /// What people call it.
    fn label(self) -> &'static str {
        match self {
            From => "From",
            Sender => "Sender",
            Envelope => "MAIL FROM",
        }
    }
}

/// What is in force for one decision.
struct Settings {
    block: bool,
    check: Vec<Place>,
}

/// Reads the settings and collects everything that is wrong with them.
fn read_settings(document: &str) -> (Settings, Vec<Problem>) {
    let mut settings = Settings {
        block: true,
        check: vec![From, Sender, Envelope],
    };
    let mut problems = Vec::new();
    let mut problem = |path: String, message: String| problems.push(Problem { path, message });
    let members = match serde_json::from_str(document) {
        Ok(Value::Object(members)) => members,
        Ok(_) => {
            problem(
                String::new(),
                r#"must be an object such as {"unauthorized": "block"}"#.into(),
            );
            Default::default()
        }
        Err(error) => {
            problem(String::new(), format!("not a JSON document: {error}"));
            Default::default()
        }
    };
    for (key, value) in &members {
        match key.as_str() {
            "unauthorized" => match value.as_str().and_then(read_unauthorized) {
                Some(block) => settings.block = block,
                None => problem(
                    "/unauthorized".into(),
                    format!(r#"must be "block" or "alert", not {value}"#),
                ),
            },
            "check" => settings.check = read_check(value, &mut problem),
            _ => problem(
                format!("/{key}"),
                format!("`{key}` is not a setting; the settings are `unauthorized` and `check`"),
            ),
        }
    }
    (settings, problems)
}

/// Whether to block.
fn read_unauthorized(word: &str) -> Option<bool> {
    match word {
        "block" => Some(true),
        "alert" => Some(false),
        _ => None,
    }
}

fn read_check(value: &Value, problem: &mut impl FnMut(String, String)) -> Vec<Place> {
    let mut check = Vec::new();
    let words = value.as_array().map_or(&[][..], Vec::as_slice);
    if words.is_empty() {
        let expected = r#"must be an array of at least one of "from", "sender" and "envelope""#;
        problem("/check".into(), expected.into());
    }
    for (index, word) in words.iter().enumerate() {
        let path = format!("/check/{index}");
        match word.as_str().and_then(Place::read) {
            Some(place) if check.contains(&place) => problem(path, format!("repeats {word}")),
            Some(place) => check.push(place),
            None => problem(
                path,
                format!(r#"must be "from", "sender" or "envelope", not {word}"#),
            ),
        }
    }
    check
}

/// The settings with what the user's list has of its own. What cannot be read is an error: guessing could
/// let a message through.
fn settings_in_force(document: &str, identity: &Identity) -> Result<Settings, String> {
    let (mut settings, problems) = read_settings(document);
    if let Some(problem) = problems.first() {
        return Err(format!("settings{}: {}", problem.path, problem.message));
    }
    if let Some(word) = fact(identity, "list.unauthorized") {
        settings.block = read_unauthorized(word).ok_or_else(|| {
            format!("the fact list.unauthorized is `{word}`; expected `block` or `alert`")
        })?;
    }
    if let Some(words) = fact(identity, "list.check") {
        let places = words.split(',').map(|word| Place::read(word.trim()));
        settings.check = places.collect::<Option<_>>().ok_or_else(|| {
            format!("the fact list.check is `{words}`; expected some of from,sender,envelope")
        })?;
    }
    Ok(settings)
}

/// The first fact of that name.
fn fact<'a>(identity: &'a Identity, name: &str) -> Option<&'a str> {
    let fact = identity.facts.iter().find(|fact| fact.name == name)?;
    Some(fact.value.trim())
}

// --- Who may send as whom ---

fn is_domain(text: &str) -> bool {
    let known = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    text.split('.')
        .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(known))
}

/// `[192.0.2.1]`
fn is_literal(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        inner
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b":.-".contains(&c))
    })
}

/// The apex of `*.example.com`.
fn wildcard(entry: &str) -> Option<&str> {
    entry
        .strip_prefix("*.")
        .filter(|parent| parent.contains('.') && is_domain(parent))
}

/// The parts of an address. Whoever enters a `*` means a pattern, and there are none for addresses.
fn parts(entry: &str) -> Option<(&str, &str)> {
    let (local_part, domain) = entry.rsplit_once('@')?;
    let valid = !local_part.is_empty()
        && !local_part.contains('*')
        && (is_domain(domain) || is_literal(domain));
    valid.then_some((local_part, domain))
}

fn is_everyone(identity: &Identity) -> bool {
    identity.authorized_domains.is_empty() && identity.authorized_senders.is_empty()
}

/// An entry that is no domain and no address covers nothing, and still counts: a list of useless entries
/// never means "everyone".
fn covers(identity: &Identity, address: &Address) -> bool {
    let domain_covers = |entry: &String| match wildcard(entry) {
        Some(parent) => {
            let below = address.domain.strip_suffix(parent);
            below.is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        }
        None => *entry == address.domain && (is_domain(entry) || is_literal(entry)),
    };
    let sender_covers = |entry: &String| {
        parts(entry).is_some_and(|(local_part, domain)| {
            domain == address.domain && lower(local_part) == lower(&address.local_part)
        })
    };
    is_everyone(identity)
        || identity.authorized_domains.iter().any(domain_covers)
        || identity.authorized_senders.iter().any(sender_covers)
}

/// Each character by itself: `str::to_lowercase` looks at the neighbours of a sigma.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// An address that a message claims as its sender's, and where.
type Claim<'a> = (Place, &'a Address);

fn unauthorized<'a>(
    settings: &Settings,
    identity: &Identity,
    message: &'a Message,
    mail_from: Option<&'a Address>,
) -> Vec<Claim<'a>> {
    let from = message.header_from.iter().map(|address| (From, address));
    let sender = message
        .header_sender
        .iter()
        .map(|address| (Sender, address));
    let envelope = mail_from.into_iter().map(|address| (Envelope, address));
    from.chain(sender)
        .chain(envelope)
        .filter(|(place, address)| settings.check.contains(place) && !covers(identity, address))
        .collect()
}

/// The rule of a message whose sender cannot be told.
fn malformed_rule(settings: &Settings, message: &Message) -> Option<&'static str> {
    let (from, sender) = (
        settings.check.contains(&From),
        settings.check.contains(&Sender),
    );
    match message.originators {
        Originators::Unreadable => (from || sender).then_some("originator-unreadable"),
        Originators::Missing => from.then_some("originator-missing"),
        Originators::Complete => {
            (from && message.header_from.is_empty()).then_some("originator-missing")
        }
    }
}

// --- Verdicts ---

fn verdict(decision: Decision, rule: &str) -> Verdict {
    Verdict {
        decision,
        priority: None,
        alerts: Vec::new(),
        rule: rule.to_owned(),
        facts: Vec::new(),
    }
}

/// 5.7.1 is delivery not authorized, 5.6.0 a malformed message (RFC 3463).
fn reject(rule: &str, subject: u16, detail: u16, text: String) -> Verdict {
    let enhanced = EnhancedCode {
        class: 5,
        subject,
        detail,
    };
    verdict(
        Decision::Reject(Some(Reply {
            code: 550,
            enhanced,
            text,
        })),
        rule,
    )
}

fn warning(code: &str, summary: String) -> Alert {
    Alert {
        severity: Severity::Warning,
        code: code.to_owned(),
        summary,
    }
}

/// The alert about unauthorized addresses.
fn about(claims: &[Claim], identity: &Identity, outcome: &str) -> Alert {
    let named = |(place, address): &Claim| format!("{} ({})", address.full, place.label());
    let who: Vec<_> = claims.iter().take(3).map(named).collect();
    let who = who.join(", ");
    let summary = format!(
        "{who} not authorized for user {}; {outcome}",
        identity.username
    );
    warning("sender-not-authorized", summary)
}

fn facts((place, address): Claim) -> Vec<Fact> {
    let fact = |name: &str, value: &str| Fact {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    vec![
        fact("x.place", place.word()),
        fact("x.address", &address.full),
    ]
}

fn not_authorized(claims: &[Claim], identity: &Identity, outcome: &str) -> Verdict {
    let (place, address) = claims[0];
    let domain =
        |entry: &&String| wildcard(entry).is_some() || is_domain(entry) || is_literal(entry);
    let domains = identity.authorized_domains.iter().filter(domain);
    let senders = identity
        .authorized_senders
        .iter()
        .filter(|entry| parts(entry).is_some());
    let allowed: Vec<_> = domains.chain(senders).take(5).map(String::as_str).collect();
    let hint = match allowed.as_slice() {
        [] => "none of the user's authorized domains and senders is valid: \
               ask the administrator to correct them"
            .to_owned(),
        allowed => format!(
            "allowed: {}; change it to one of these in your program's settings, \
             or ask your administrator to authorize it",
            allowed.join(", ")
        ),
    };
    let who = format!(
        "the sender address {} ({}) is not authorized for user {}",
        address.full,
        place.whereabouts(),
        identity.username
    );
    Verdict {
        alerts: vec![about(claims, identity, outcome)],
        facts: facts(claims[0]),
        ..reject("unauthorized-block", 7, 1, format!("{who}; {hint}"))
    }
}

/// In block mode nobody may send it.
fn judge_malformed(
    settings: &Settings,
    identity: &Identity,
    rule: &str,
    claims: &[Claim],
) -> Verdict {
    let outcome = if settings.block {
        "the message was blocked"
    } else {
        "the message was sent"
    };
    let what = match rule {
        "originator-missing" => "no From address",
        _ => "a From or Sender field that cannot be read",
    };
    let about_it = format!(
        "{what} in a message of user {}; {outcome}",
        identity.username
    );
    let mut alerts = vec![warning("originator-malformed", about_it.clone())];
    if !claims.is_empty() {
        alerts.push(about(claims, identity, outcome));
    } else if !is_everyone(identity) {
        alerts.push(warning(
            "sender-not-authorized",
            format!("no authorized sender: {about_it}"),
        ));
    }
    let remedy = "write each address as Your Name <you@example.com>, several with commas between";
    let answer = if settings.block {
        reject(rule, 6, 0, format!("The message has {what}; {remedy}"))
    } else {
        verdict(Decision::Accept, rule)
    };
    Verdict { alerts, ..answer }
}

fn accepted(identity: &Identity) -> Verdict {
    verdict(
        Decision::Accept,
        if is_everyone(identity) {
            "unrestricted"
        } else {
            "authorized"
        },
    )
}

fn judge_message(
    settings: &Settings,
    identity: &Identity,
    message: &Message,
    mail_from: Option<&Address>,
) -> Verdict {
    let claims = unauthorized(settings, identity, message, mail_from);
    if let Some(rule) = malformed_rule(settings, message) {
        return judge_malformed(settings, identity, rule, &claims);
    }
    if claims.is_empty() {
        return accepted(identity);
    }
    if settings.block {
        return not_authorized(&claims, identity, "the message was blocked");
    }
    Verdict {
        alerts: vec![about(&claims, identity, "the message was sent")],
        facts: facts(claims[0]),
        ..verdict(Decision::Accept, "unauthorized-alert")
    }
}

/// The reverse-path alone, before the upload: what the message stage would not block passes.
fn judge_sender(settings: &Settings, identity: &Identity, sender: Option<&Address>) -> Verdict {
    let Some(sender) = sender else {
        return verdict(Decision::Pass, "null-sender");
    };
    if !settings.check.contains(&Envelope) {
        return verdict(Decision::Pass, "envelope-unchecked");
    }
    if covers(identity, sender) {
        return accepted(identity);
    }
    if !settings.block {
        return verdict(Decision::Pass, "unauthorized-alert");
    }
    not_authorized(
        &[(Envelope, sender)],
        identity,
        "the message was blocked before its upload",
    )
}

// --- How urgent ---

/// The more urgent of the user's and the message's. What an earlier policy raised takes part, what it
/// lowered stands.
fn effective_priority(own: Priority, requested: Option<Priority>, decided: Priority) -> Priority {
    let more_urgent = |a: Priority, b: Priority| if (a as u8) < (b as u8) { a } else { b };
    let effective = more_urgent(own, requested.unwrap_or(own));
    match decided {
        Priority::Normal => effective,
        Priority::Highest | Priority::High => more_urgent(effective, decided),
        Priority::Low | Priority::Lowest => decided,
    }
}

// --- The interface ---

struct SenderRules;

impl lifecycle::Guest for SenderRules {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "The sender rules in Rust.".to_owned(),
            settings_schema: SCHEMA.to_owned(),
        }
    }

    fn validate_settings(settings: String) -> Vec<Problem> {
        read_settings(&settings).1
    }
}

impl message_stage::Guest for SenderRules {
    fn evaluate(request: message_stage::Request) -> Result<Verdict, String> {
        let identity = &request.session.identity;
        let settings = settings_in_force(&request.settings, identity)?;
        let mail_from = request.envelope.mail_from.as_ref();
        let mut answer = judge_message(&settings, identity, &request.message, mail_from);
        if matches!(answer.decision, Decision::Accept) {
            let requested = request.message.requested_priority;
            let decided = request.effective_priority;
            answer.priority = Some(effective_priority(
                identity.default_priority,
                requested,
                decided,
            ));
        }
        Ok(answer)
    }
}

impl envelope_stage::Guest for SenderRules {
    fn on_sender(
        request: envelope_stage::Request,
        sender: Option<Address>,
    ) -> Result<Verdict, String> {
        let identity = &request.session.identity;
        let settings = settings_in_force(&request.settings, identity)?;
        Ok(judge_sender(&settings, identity, sender.as_ref()))
    }

    fn on_recipient(
        _request: envelope_stage::Request,
        _recipient: Address,
    ) -> Result<Verdict, String> {
        Ok(verdict(Decision::Pass, "recipient-unchecked"))
    }
}

export!(SenderRules);
