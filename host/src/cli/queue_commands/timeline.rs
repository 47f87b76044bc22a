//! The timeline of one message: what happened to it, and why.

use serde_json::{Value, json};

use super::stops;
use super::{outcome_name, parameters, sender, summary};
use crate::admin::service::{Event, events};
use crate::cli::decision_output::{self, ListNames};
use crate::clock::Timestamp;
use crate::decision::{Decision, Run};
use crate::queue::{
    Attempt, MessageDetails, MessageStatus, MessageSummary, Order, RecipientDetails, Stop,
};

/// Everything that is known of a message.
pub struct Story<'a> {
    /// The message with its attempts, orders and notifications.
    pub message: &'a MessageDetails,
    /// True when it had earlier attempts than those.
    pub has_earlier: bool,
    /// What the policies decided about it.
    pub decisions: &'a [Decision],
    /// What is stopped at present.
    pub stops: &'a [Stop],
    /// The names of lists.
    pub lists: &'a ListNames,
}

impl Story<'_> {
    /// For programs.
    pub fn value(&self) -> Value {
        let mut value = summary(&self.message.summary);
        let recipients = self.message.recipients.iter();
        value["recipients"] = recipients.map(|one| self.recipient(one)).collect();
        value["earlier_attempts"] = self.has_earlier.into();
        let decisions = self.decisions.iter();
        value["decisions"] = decisions
            .map(|decision| decision_output::value(decision, self.lists))
            .collect();
        value["notices"] = self
            .message
            .notices
            .iter()
            .map(|it| self.notice(it))
            .collect();
        value["orders"] = self.message.orders.iter().map(order).collect();
        let covering = self.covering();
        value["stopped"] = covering
            .map(|stop| stops::value(stop, self.lists))
            .collect();
        let events = self.events();
        value["timeline"] = events
            .iter()
            .map(|(at, event)| {
                json!({
                    "at": at.to_string(),
                    "event": event.name(),
                    "text": self.lines(event).join("; "),
                })
            })
            .collect();
        value
    }

    fn recipient(&self, recipient: &RecipientDetails) -> Value {
        let attempts = self.message.attempts.iter();
        let attempts = attempts.filter(|attempt| attempt.recipient == recipient.index);
        json!({
            "address": recipient.mailbox.to_string(),
            "status": recipient.status,
            "due_at": recipient.status.is_open().then(|| recipient.due_at.to_string()),
            "parameters": parameters::of_recipient(&recipient.parameters),
            "attempts": attempts.map(attempt).collect::<Vec<_>>(),
        })
    }

    fn notice(&self, notice: &MessageSummary) -> Value {
        json!({
            "id": notice.id.to_string(),
            "at": notice.meta.received_at.to_string(),
            "subject": notice.meta.subject,
            "to": [sender(&self.message.summary)],
            "status": notice.status(),
        })
    }

    fn events(&self) -> Vec<(Timestamp, Event<'_>)> {
        events(Some(self.message), self.decisions)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut lines = self.head();
        lines.push(String::new());
        for (at, event) in self.events() {
            let mut time = at.to_string();
            for line in self.lines(&event) {
                // Below the text of the line before.
                lines.push(format!("{time:24}  {line}"));
                time = String::new();
            }
        }
        lines.extend(self.prospect());
        if self.has_earlier {
            let told = self.message.attempts.len();
            let more = format!("of its attempts the latest {told}; --attempts shows more");
            lines.extend([String::new(), more]);
        }
        printable(&lines.join("\n"))
    }

    fn head(&self) -> Vec<String> {
        let (summary, meta) = (&self.message.summary, &self.message.summary.meta);
        let list = summary.list.as_deref().unwrap_or("-");
        let mut lines = vec![
            format!("message     {}", summary.id),
            format!("status      {}", summary.status()),
            format!("priority    {}{}", meta.priority, self.asked()),
            format!(
                "from        {} (user {}, list {list})",
                sender(summary),
                meta.username
            ),
            format!("subject     {}", meta.subject),
            format!("message-id  {}", meta.message_id),
            format!("size        {} octets", summary.size),
        ];
        let route = meta.way.route.iter();
        lines.extend(route.map(|name| format!("route       {name}")));
        if summary.status() == MessageStatus::Held || self.message.orders.is_empty() {
            let hold = meta.way.hold.iter();
            lines.extend(hold.map(|reason| format!("held        {reason}")));
        }
        lines.extend(self.covering().map(|stop| {
            let scope = stops::scope_name(&stop.scope, self.lists);
            format!("stopped     {scope}, by {}: {}", stop.by, stop.reason)
        }));
        if let Some(notice_of) = meta.origin.notice_of {
            lines.push(format!("about       {notice_of}"));
        }
        lines.extend(parameters::lines(self.message));
        lines
    }

    /// What the message itself asked for, where that is not what it has.
    fn asked(&self) -> String {
        let meta = &self.message.summary.meta;
        match meta.origin.requested_priority {
            Some(asked) if asked != meta.priority => format!(" (the message asked for {asked})"),
            _ => String::new(),
        }
    }

    fn lines(&self, event: &Event<'_>) -> Vec<String> {
        match event {
            Event::Accepted => vec![self.accepted()],
            Event::Decided(decision) => decided(decision),
            Event::Ordered(order) => vec![ordered(order)],
            Event::Tried(attempt) => self.tried(attempt),
            Event::Told(notice) => vec![format!(
                "told {}: {} ({}, {})",
                sender(&self.message.summary),
                notice.meta.subject,
                notice.id,
                notice.status()
            )],
        }
    }

    fn accepted(&self) -> String {
        let meta = &self.message.summary.meta;
        if let Some(about) = meta.origin.notice_of {
            return format!("made by this relay, about message {about}");
        }
        let from = match meta.origin.client.as_str() {
            "" => String::new(),
            client => format!(" from {client}"),
        };
        let count = self.message.recipients.len() as u64;
        let recipients = super::change::plural(count, "recipient");
        format!(
            "accepted in session {}{from}, for {recipients}: {}",
            meta.session_id, meta.rule
        )
    }

    fn tried(&self, attempt: &Attempt) -> Vec<String> {
        let mut recipients = self.message.recipients.iter();
        let recipient = recipients.find(|one| one.index == attempt.recipient);
        let address = recipient.map_or_else(String::new, |one| one.mailbox.to_string());
        let (outcome, reply) = (outcome_name(&attempt.outcome), attempt.outcome.reply());
        let by = match attempt.next_hop.as_str() {
            "" => String::new(),
            next_hop => format!(" by {next_hop}"),
        };
        let took = match attempt.began_at {
            Some(began_at) => format!(", {} ms", attempt.at.since(began_at).as_millis()),
            None => String::new(),
        };
        let mut lines = vec![format!("{address}: {outcome}{by}{took}: {reply}")];
        if !attempt.tls.is_empty() {
            lines.push(format!("tls: {}", attempt.tls));
        }
        lines
    }

    /// What comes next.
    fn prospect(&self) -> Vec<String> {
        let meta = &self.message.summary.meta;
        if let Some(finished_at) = self.message.summary.finished_at {
            let status = self.message.summary.status();
            return vec![format!("{finished_at}  {status}")];
        }
        let expiry = format!("{}  given up, if it is still here", meta.expires_at);
        if meta.way.is_held() {
            return vec!["waits until somebody releases it".to_owned(), expiry];
        }
        if self.covering().next().is_some() {
            return vec!["waits until somebody starts what is stopped".to_owned()];
        }
        let open = self.message.recipients.iter();
        let open = open.filter(|one| one.status.is_open());
        let next = open.map(|one| format!("{}  {}: next attempt", one.due_at, one.mailbox));
        next.chain([expiry]).collect()
    }

    /// The stops that this message waits for.
    fn covering(&self) -> impl Iterator<Item = &Stop> {
        let stops = self.stops.iter();
        stops.filter(|stop| self.message.waits_for(stop))
    }
}

/// The decision about something that was refused, for programs.
pub fn refused_value(decisions: &[Decision], lists: &ListNames) -> Value {
    let all: Vec<Value> = decisions
        .iter()
        .map(|decision| decision_output::value(decision, lists))
        .collect();
    let Some(decision) = counted(decisions) else {
        return json!({ "decisions": all });
    };
    let about = &decision.about;
    json!({
        "id": about.id.to_string(),
        "status": decision.outcome,
        "priority": decision.priority,
        "reply": decision_output::reply(decision),
        "user": about.username,
        "list": lists.of(about.list_id),
        "from": about.sender.as_deref().unwrap_or("<>"),
        "session": about.session_id,
        "at": about.at.to_string(),
        "decisions": all,
    })
}

/// The decision about something that was refused, for people.
pub fn refused_text(decisions: &[Decision], lists: &ListNames) -> String {
    let Some(decision) = counted(decisions) else {
        return String::new();
    };
    let about = &decision.about;
    let list = lists.of(about.list_id).unwrap_or("-");
    let mut lines = vec![
        format!("message     {}", about.id),
        format!("status      {}, never in the queue", decision.outcome),
        format!("priority    {}", decision.priority),
        format!(
            "from        {} (user {}, list {list})",
            decision_output::sender(decision),
            about.username
        ),
        format!("about       {}", decision_output::subject(decision)),
        format!("session     {}", about.session_id),
        String::new(),
    ];
    for decision in decisions {
        let mut time = decision.about.at.to_string();
        for line in decided(decision) {
            lines.push(format!("{time:24}  {line}"));
            time = String::new();
        }
    }
    lines.push(String::new());
    lines.push(format!(
        "`gatepost policy explain {}` tells more.",
        about.id
    ));
    printable(&lines.join("\n"))
}

/// The one that counted.
fn counted(decisions: &[Decision]) -> Option<&Decision> {
    let enforced = decisions.iter().find(|one| one.run == Run::Enforced);
    enforced.or_else(|| decisions.first())
}

fn decided(decision: &Decision) -> Vec<String> {
    let reply = decision_output::reply(decision);
    let refused = reply.map(|reply| format!("{} {reply}", decision.outcome));
    let mut lines = decision_output::step_lines(decision);
    lines.extend(refused);
    lines
}

fn ordered(order: &Order) -> String {
    let by = match order.by.as_str() {
        "" => "an administrator",
        by => by,
    };
    match order.detail.as_str() {
        "" => format!("{} by {by}", order.kind),
        detail => format!("{} by {by}: {detail}", order.kind),
    }
}

fn order(order: &Order) -> Value {
    json!({
        "at": order.at.to_string(),
        "action": order.kind,
        "by": order.by,
        "detail": order.detail,
    })
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "began_at": attempt.began_at.map(|at| at.to_string()),
        "at": attempt.at.to_string(),
        "next_hop": attempt.next_hop,
        "tls": attempt.tls,
        "outcome": outcome_name(&attempt.outcome),
        "reply": attempt.outcome.reply().to_string(),
    })
}

fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}
