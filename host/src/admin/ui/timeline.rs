//! The timeline of a message: each thing that happened, in words.

use super::html::{Html, moment};
use super::words::{self, Badge};
use crate::admin::service::{Event, Story, events};
use crate::decision::{Decision, Run, Step};
use crate::queue::{Attempt, MessageDetails, Order, Outcome};

/// One thing that happened.
pub struct Item {
    /// When.
    pub at: Html,
    /// What kind of thing, and how it went.
    pub badge: Badge,
    /// What happened, on one line.
    pub title: String,
    /// What the remote or the relay said.
    pub reply: Option<String>,
    /// More of it.
    pub details: Vec<String>,
    /// What each policy said.
    pub steps: Vec<PolicyStep>,
    /// The message it leads to.
    pub link: Option<(String, String)>,
}

/// What one policy said.
pub struct PolicyStep {
    /// Its name and version.
    pub policy: String,
    /// What it decided.
    pub decision: Badge,
    /// The rule that decided.
    pub rule: String,
    /// What it took, and what it wanted noted.
    pub notes: Vec<String>,
}

/// What comes next.
pub struct Next {
    /// When; none: nobody knows.
    pub at: Option<Html>,
    /// What.
    pub text: String,
}

/// Attempts that are told to come next; how many others there are is told in one line. Default 10.
const MAX_NEXT: usize = 10;

/// Everything that happened, in order; on further pages the attempts of these alone.
pub fn items(story: &Story) -> Vec<Item> {
    let message = story.message.as_ref();
    let mut events = events(message, &story.decisions);
    if story.page > 1 {
        events.retain(|(_, event)| matches!(event, Event::Tried(_)));
    }
    events
        .iter()
        .map(|(at, event)| Item {
            at: moment(at),
            ..item(event, message)
        })
        .collect()
}

/// What comes next; nothing when it is finished or was refused, and nothing on further pages.
pub fn next(story: &Story) -> Vec<Next> {
    let Some(message) = &story.message else {
        return Vec::new();
    };
    if message.summary.finished_at.is_some() || story.page > 1 {
        return Vec::new();
    }
    let meta = &message.summary.meta;
    let expiry = Next {
        at: Some(moment(&meta.expires_at)),
        text: "It is given up then, and its sender told.".to_owned(),
    };
    if meta.way.is_held() {
        let reason = meta.way.hold.as_deref().unwrap_or_default();
        let text = format!("It waits until somebody releases it: {reason}");
        return vec![Next { at: None, text }, expiry];
    }
    if let Some(stop) = story.stops.first() {
        let text = format!(
            "It waits until somebody starts what {} stopped: {}",
            stop.by, stop.reason
        );
        return vec![Next { at: None, text }];
    }
    attempts_to_come(message)
        .into_iter()
        .chain([expiry])
        .collect()
}

/// The first attempts that come next, and how many recipients more are tried.
fn attempts_to_come(message: &MessageDetails) -> Vec<Next> {
    let recipients = message.recipients.iter();
    let mut open: Vec<_> = recipients.filter(|one| one.status.is_open()).collect();
    open.sort_by_key(|one| one.due_at);
    let attempts = open.iter().take(MAX_NEXT).map(|one| Next {
        at: Some(moment(&one.due_at)),
        text: format!("The next attempt for {}.", one.mailbox),
    });
    let more = open.get(MAX_NEXT).map(|one| Next {
        at: Some(moment(&one.due_at)),
        text: match open.len() - MAX_NEXT {
            1 => "The next attempt for one recipient more.".to_owned(),
            more => format!("From then on the next attempts for {more} recipients more."),
        },
    });
    attempts.chain(more).collect()
}

fn item(event: &Event<'_>, message: Option<&MessageDetails>) -> Item {
    match (event, message) {
        (Event::Accepted, Some(message)) => accepted(message),
        (Event::Decided(decision), _) => decided(decision),
        (Event::Ordered(order), _) => ordered(order),
        (Event::Tried(attempt), Some(message)) => tried(attempt, message),
        (Event::Told(notice), _) => Item {
            title: format!(
                "The sender was told: {}",
                words::subject(&notice.meta.subject)
            ),
            link: Some((format!("/messages/{}", notice.id), notice.id.to_string())),
            ..new(words::badge("plain", "notice"))
        },
        (Event::Accepted | Event::Tried(_), None) => new(words::badge("plain", "")),
    }
}

fn new(badge: Badge) -> Item {
    Item {
        at: Html::default(),
        badge,
        title: String::new(),
        reply: None,
        details: Vec::new(),
        steps: Vec::new(),
        link: None,
    }
}

fn accepted(message: &MessageDetails) -> Item {
    let meta = &message.summary.meta;
    let badge = words::badge("", "accepted");
    if let Some(about) = meta.origin.notice_of {
        return Item {
            title: "This relay wrote it, about another message.".to_owned(),
            link: Some((format!("/messages/{about}"), about.to_string())),
            ..new(badge)
        };
    }
    let from = match meta.origin.client.as_str() {
        "" => String::new(),
        client => format!(" from {client}"),
    };
    let recipients = match message.recipients.len() {
        1 => "one recipient".to_owned(),
        count => format!("{count} recipients"),
    };
    let asked = meta.origin.requested_priority;
    let asked = asked.filter(|asked| *asked != meta.priority);
    let mut details = vec![format!("session {}", meta.session_id)];
    details.extend(
        asked.map(|asked| format!("the message asked for priority {}", words::priority(&asked))),
    );
    details.extend(meta.way.route.iter().map(|route| format!("route {route}")));
    Item {
        title: format!("Accepted{from}, for {recipients}."),
        details,
        ..new(badge)
    }
}

fn decided(decision: &Decision) -> Item {
    let is_shadow = decision.run == Run::Shadow;
    let badge = if is_shadow {
        words::badge("plain", "in shadow")
    } else {
        words::outcome(decision.outcome)
    };
    let stage = words::stage(decision.about.stage);
    let title = match (is_shadow, decision.reply.is_some()) {
        (true, _) => format!("What a policy in shadow would have said at {stage}."),
        (false, true) => format!("The policies refused it at {stage}."),
        (false, false) if decision.steps.is_empty() => "No policy was asked.".to_owned(),
        (false, false) => "The policies let it pass.".to_owned(),
    };
    Item {
        title,
        reply: crate::decision::reply(decision),
        details: decision.effects.clone(),
        steps: decision
            .steps
            .iter()
            .map(|step| policy_step(decision, step))
            .collect(),
        ..new(badge)
    }
}

fn policy_step(decision: &Decision, step: &Step) -> PolicyStep {
    let version = decision.chain.policy(step.policy());
    let version = version.map_or("", |policy| policy.version.as_str());
    let rule = step.rule.split_once('/').map_or("", |(_, rule)| rule);
    let class = match step.decision.as_str() {
        "reject" | "failed" => "bad",
        "defer" => "warn",
        "accept" => "good",
        _ => "plain",
    };
    let mut notes: Vec<String> = step
        .facts
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    notes.extend(
        step.failure
            .iter()
            .map(|failure| format!("failure: {failure}")),
    );
    notes.push(step.price());
    PolicyStep {
        policy: format!("{} {version}", step.policy()),
        decision: words::badge(class, &step.decision),
        rule: rule.to_owned(),
        notes,
    }
}

fn ordered(order: &Order) -> Item {
    let by = match order.by.as_str() {
        "" => "an administrator",
        by => by,
    };
    let title = match order.detail.as_str() {
        "" => format!("{} by {by}.", words::capital(&order.kind.to_string())),
        detail => format!(
            "{} by {by}: {detail}",
            words::capital(&order.kind.to_string())
        ),
    };
    Item {
        title,
        ..new(words::badge("plain", "administrator"))
    }
}

fn tried(attempt: &Attempt, message: &MessageDetails) -> Item {
    // They are in the order of their places.
    let recipients = &message.recipients;
    let place = recipients.binary_search_by_key(&attempt.recipient, |one| one.index);
    let address = place.map_or_else(
        |_| String::new(),
        |place| recipients[place].mailbox.to_string(),
    );
    let (badge, did) = match attempt.outcome {
        Outcome::Delivered(_) => (words::badge("good", "delivered"), "took it"),
        Outcome::Deferred(_) => (words::badge("warn", "deferred"), "cannot take it now"),
        Outcome::Failed(_) => (words::badge("bad", "failed"), "refused it for good"),
    };
    let title = match attempt.next_hop.as_str() {
        "" => format!("For {address}, without an attempt."),
        next_hop => format!("For {address}: {next_hop} {did}."),
    };
    let took = attempt.began_at.map(|began_at| {
        let millis = attempt.at.since(began_at).as_millis();
        format!("{millis} ms")
    });
    let tls = Some(attempt.tls.as_str()).filter(|tls| !tls.is_empty());
    Item {
        title,
        reply: Some(attempt.outcome.reply().to_string()).filter(|reply| !reply.is_empty()),
        details: took
            .into_iter()
            .chain(tls.map(|tls| format!("TLS {tls}")))
            .collect(),
        ..new(badge)
    }
}
