//! Counts a message against the limits, and says what it comes to.

use policy_kit::text;

use crate::bindings::exports::gatepost::policy::message_stage::Request;
use crate::bindings::gatepost::policy::types::{
    Alert, Decision, EnhancedCode, Fact, Reply, Severity, Verdict,
};
use crate::settings::{Counted, Limit, Over, Settings};

/// The rule that decided. The names never change.
mod rule {
    pub const WITHIN_LIMITS: &str = "within-limits";
    pub const OVER_LIMIT: &str = "over-limit";
    pub const OVER_LIMIT_ALERT: &str = "over-limit-alert";
    pub const TOO_MANY_RECIPIENTS: &str = "too-many-recipients";
}

/// The code of the alert about a limit that is exceeded.
const RATE_EXCEEDED: &str = "rate-exceeded";
/// Names the exceeded limit in the decision log.
const FACT_LIMIT: &str = "x.limit";
/// Longest user name shown, in octets.
const MAX_USERNAME: usize = 40;
/// Longest text of a reply, in octets.
const MAX_REPLY: usize = 450;

/// What came of asking for a share of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// True when it was counted.
    pub granted: bool,
    /// Seconds until it would be granted.
    pub wait_s: u32,
}

/// Sliding windows: the host's, and those of the tests. An error says why nothing was counted.
pub trait Counters {
    /// The total of a window.
    fn peek(&mut self, key: &str, window_s: u32) -> Result<u64, String>;
    /// Adds, and returns the total.
    fn add(&mut self, key: &str, amount: u32, window_s: u32) -> Result<u64, String>;
    /// Adds when the total stays within `limit`.
    fn take(&mut self, key: &str, amount: u32, limit: u64, window_s: u32) -> Result<Share, String>;
}

/// A message that is counted.
struct Counting<'a> {
    username: &'a str,
    recipients: u32,
}

impl Counting<'_> {
    fn key(&self, limit: &Limit) -> String {
        format!("{}/{}", limit.counted.word(), self.username)
    }

    fn amount(&self, limit: &Limit) -> u32 {
        match limit.counted {
            Counted::Messages => 1,
            Counted::Recipients => self.recipients,
        }
    }
}

/// Decides about a message of the request's user.
///
/// # Errors
///
/// When the host does not count.
pub fn judge(
    settings: &Settings,
    request: &Request,
    counters: &mut impl Counters,
) -> Result<Verdict, String> {
    let message = Counting {
        username: &request.session.identity.username,
        recipients: u32::try_from(request.envelope.recipients.len()).unwrap_or(u32::MAX),
    };
    match settings.over {
        Over::Defer => defer(settings, &message, counters),
        Over::Alert => alert(settings, &message, counters),
    }
}

fn defer(
    settings: &Settings,
    message: &Counting,
    counters: &mut impl Counters,
) -> Result<Verdict, String> {
    let beyond = |limit: &&Limit| u64::from(message.amount(limit)) > limit.most;
    if let Some(limit) = settings.limits.iter().find(beyond) {
        let decision = Decision::Reject(Some(too_many(limit, message.recipients)));
        return Ok(exceeded(
            decision,
            rule::TOO_MANY_RECIPIENTS,
            &[limit],
            message,
        ));
    }
    Ok(match spend(&settings.limits, message, counters)? {
        None => within(),
        Some((limit, wait_s)) => {
            let decision = Decision::Defer(Some(later(&limit, message, wait_s)));
            exceeded(decision, rule::OVER_LIMIT, &[&limit], message)
        }
    })
}

/// Counts the message against every limit, or against none; then it returns the limit that is full, and
/// the seconds until it is not.
fn spend(
    limits: &[Limit],
    message: &Counting,
    counters: &mut impl Counters,
) -> Result<Option<(Limit, u32)>, String> {
    let mut order = limits.to_vec();
    for (index, limit) in limits.iter().enumerate() {
        let total = counters.peek(&message.key(limit), limit.window.seconds())?;
        if total.saturating_add(message.amount(limit).into()) > limit.most {
            // A full one goes first: it says how long it stays so before anything is counted.
            order.swap(0, index);
            break;
        }
    }
    for limit in order {
        let (key, amount) = (message.key(&limit), message.amount(&limit));
        let share = counters.take(&key, amount, limit.most, limit.window.seconds())?;
        if !share.granted {
            return Ok(Some((limit, share.wait_s)));
        }
    }
    Ok(None)
}

/// Counts the message against every limit. Only the one that goes beyond a limit raises an alert: a busy
/// hour is one alert, not a thousand.
fn alert(
    settings: &Settings,
    message: &Counting,
    counters: &mut impl Counters,
) -> Result<Verdict, String> {
    let mut over = false;
    let mut crossed = Vec::new();
    for limit in &settings.limits {
        let amount = message.amount(limit);
        let total = counters.add(&message.key(limit), amount, limit.window.seconds())?;
        over |= total > limit.most;
        if total > limit.most && total.saturating_sub(amount.into()) <= limit.most {
            crossed.push(limit);
        }
    }
    if !over {
        return Ok(within());
    }
    Ok(exceeded(
        Decision::Pass,
        rule::OVER_LIMIT_ALERT,
        &crossed,
        message,
    ))
}

/// RFC 3463 §3.8: 4.7.1 is a matter of policy that may be otherwise later.
fn later(limit: &Limit, message: &Counting, wait_s: u32) -> Reply {
    let line = format!(
        "User {} has reached its limit of {}; send the message again in {} min, as mail programs do by \
         themselves, or ask your administrator for a higher limit",
        text::ascii(message.username, MAX_USERNAME),
        in_words(limit),
        wait_s.div_ceil(60).max(1),
    );
    reply(451, &line)
}

fn too_many(limit: &Limit, recipients: u32) -> Reply {
    let line = format!(
        "A message to {recipients} recipients is beyond the limit of {}; send it to fewer at a time, or \
         ask your administrator for a higher limit",
        in_words(limit),
    );
    reply(550, &line)
}

fn reply(code: u16, line: &str) -> Reply {
    Reply {
        code,
        enhanced: EnhancedCode {
            class: if code < 500 { 4 } else { 5 },
            subject: 7,
            detail: 1,
        },
        text: text::ascii(line, MAX_REPLY),
    }
}

/// `100 messages in an hour`
fn in_words(limit: &Limit) -> String {
    let (most, counted) = (limit.most, limit.counted.word());
    format!("{most} {counted} in {}", limit.window.words())
}

fn within() -> Verdict {
    Verdict {
        decision: Decision::Pass,
        priority: None,
        alerts: Vec::new(),
        rule: rule::WITHIN_LIMITS.to_owned(),
        facts: Vec::new(),
    }
}

fn exceeded(decision: Decision, rule: &str, limits: &[&Limit], message: &Counting) -> Verdict {
    let outcome = match &decision {
        Decision::Pass | Decision::Accept => "the message was sent",
        Decision::Defer(_) => "the message was deferred",
        Decision::Reject(_) => "the message was refused",
    };
    let username = text::printable(message.username, MAX_USERNAME);
    let alert = |limit: &&Limit| Alert {
        severity: Severity::Warning,
        code: RATE_EXCEEDED.to_owned(),
        summary: format!(
            "user {username} is beyond its limit of {}; {outcome}",
            in_words(limit)
        ),
    };
    let fact = |limit: &&Limit| Fact {
        name: FACT_LIMIT.to_owned(),
        value: in_words(limit),
    };
    Verdict {
        decision,
        rule: rule.to_owned(),
        alerts: limits.iter().map(alert).collect(),
        facts: limits.iter().map(fact).collect(),
        ..within()
    }
}
