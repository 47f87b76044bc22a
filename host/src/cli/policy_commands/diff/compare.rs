//! Compares what two sides make of the same request, and groups what differs. Pure.

use std::collections::BTreeMap;

use crate::cli::decision_output::{self, ListNames};
use crate::clock::Timestamp;
use crate::decision::{Decision, Outcome};
use crate::policy::document::{Request, Stage};
use crate::policy::{Ruling, types};
use crate::queue::Priority;

/// Senders that are told apart of one user in a group; further ones are counted together.
const SENDERS: usize = 100;
/// What further senders are counted as.
const OTHER_SENDERS: &str = "(others)";
/// The fact by which a policy tells which address it decided about; see `wit/FACTS.md`.
const ADDRESS_FACT: &str = "x.address";

/// What one side made of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it would have been taken.
    pub outcome: Outcome,
    /// What the client would have been told when it is refused, for example `550 5.7.1 …`.
    pub reply: Option<String>,
    /// Effective priority.
    pub priority: Priority,
    /// What would have been done to the message, a line for each.
    pub effects: Vec<String>,
    /// Codes of the alerts, in order.
    pub alerts: Vec<String>,
    /// The rules that decided, one for each policy that was asked.
    pub rules: Vec<String>,
    /// The address that a policy says it decided about.
    pub address: Option<String>,
    /// Whether a policy failed.
    pub failed: bool,
}

impl From<&Ruling> for Answer {
    fn from(ruling: &Ruling) -> Self {
        let refusal = ruling.refusal.as_ref();
        let mut alerts: Vec<String> = ruling
            .alerts
            .iter()
            .map(|alert| alert.code.clone())
            .collect();
        alerts.sort();
        Self {
            outcome: Outcome::of_reply(refusal.map(|refusal| refusal.code)),
            reply: refusal.map(|refusal| {
                let (class, subject, detail) = refusal.enhanced;
                format!(
                    "{} {class}.{subject}.{detail} {}",
                    refusal.code, refusal.text
                )
            }),
            priority: ruling.priority,
            effects: ruling.effects.lines(),
            alerts,
            rules: ruling.steps.iter().map(|step| step.rule.clone()).collect(),
            address: ruling.steps.iter().rev().find_map(|step| {
                let mut facts = step.facts.iter();
                let found = facts.find(|(name, _)| name == ADDRESS_FACT);
                found.map(|(_, value)| value.clone())
            }),
            failed: ruling.steps.iter().any(|step| step.failure.is_some()),
        }
    }
}

/// What both sides were asked about, as people know it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The id of the decision; none in a file that does not say it.
    pub id: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
    /// The user by name.
    pub username: String,
    /// The user's list by name.
    pub list: String,
    /// The administrator's note about the user, where it is known.
    pub note: String,
    /// From, or else the reverse-path.
    pub sender: String,
    /// The first recipient, and how many more.
    pub recipients: String,
}

impl Subject {
    /// What a recorded request is about.
    pub fn of_request(id: Option<String>, request: &Request) -> Self {
        let identity = &request.session.identity;
        Self {
            id,
            at: asked_at(request),
            username: identity.username.clone(),
            list: fact(&identity.facts, "list.name").to_owned(),
            note: fact(&identity.facts, "account.note").to_owned(),
            sender: sender(request),
            recipients: recipients(request),
        }
    }

    /// What a decision is about.
    pub fn of_decision(decision: &Decision, lists: &ListNames) -> Self {
        let about = &decision.about;
        Self {
            id: Some(about.id.to_string()),
            at: about.at,
            username: about.username.clone(),
            list: lists.of(about.list_id).unwrap_or_default().to_owned(),
            note: String::new(),
            sender: decision_output::sender(decision),
            recipients: decision_output::recipients(decision),
        }
    }
}

impl From<&Decision> for Answer {
    /// What was decided; a decision is kept without its alerts.
    fn from(decision: &Decision) -> Self {
        let facts = decision.steps.iter().rev().flat_map(|step| &step.facts);
        let mut addresses = facts.filter(|(name, _)| name == ADDRESS_FACT);
        Self {
            outcome: decision.outcome,
            reply: decision_output::reply(decision),
            priority: decision.priority,
            effects: decision.effects.clone(),
            alerts: Vec::new(),
            rules: decision
                .steps
                .iter()
                .map(|step| step.rule.clone())
                .collect(),
            address: addresses.next().map(|(_, value)| value.clone()),
            failed: decision.steps.iter().any(|step| step.failure.is_some()),
        }
    }
}

/// How two answers differ: the first of these that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Taken before, refused now.
    NewlyRefused,
    /// Refused before, taken now.
    NewlyAccepted,
    /// Refused by both, but not with the same reply.
    RefusedOtherwise,
    /// Taken by both, with another priority.
    Priority,
    /// Taken by both, but something else is done to the message or its way.
    Effects,
    /// Only the alerts differ.
    Alerts,
    /// Only the names of the rules differ: nobody but the administrator sees it.
    Rule,
}

impl Change {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::NewlyRefused,
        Self::NewlyAccepted,
        Self::RefusedOtherwise,
        Self::Priority,
        Self::Effects,
        Self::Alerts,
        Self::Rule,
    ];

    /// What people read.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NewlyRefused => "newly refused",
            Self::NewlyAccepted => "newly accepted",
            Self::RefusedOtherwise => "refused otherwise",
            Self::Priority => "priority changed",
            Self::Effects => "changed otherwise",
            Self::Alerts => "alerts changed",
            Self::Rule => "only the rule's name changed",
        }
    }

    /// How two answers differ; none when they are the same.
    pub fn between(old: &Answer, new: &Answer) -> Option<Self> {
        let was_taken = old.outcome == Outcome::Accepted;
        match (was_taken, new.outcome == Outcome::Accepted) {
            (true, false) => Some(Self::NewlyRefused),
            (false, true) => Some(Self::NewlyAccepted),
            (false, false) if old.reply != new.reply => Some(Self::RefusedOtherwise),
            (true, true) if old.priority != new.priority => Some(Self::Priority),
            (true, true) if old.effects != new.effects => Some(Self::Effects),
            _ if old.alerts != new.alerts => Some(Self::Alerts),
            _ if old.rules != new.rules => Some(Self::Rule),
            _ => None,
        }
    }
}

/// Everything that was compared.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Requests.
    pub total: u64,
    /// Requests that both sides answer alike.
    pub unchanged: u64,
    /// Requests in which a policy of the old side failed.
    pub old_failures: u64,
    /// Requests in which a policy of the new side failed.
    pub new_failures: u64,
    /// The time of the first request.
    pub first: Option<Timestamp>,
    /// The time of the last request.
    pub last: Option<Timestamp>,
    /// All requests of each user.
    pub users: BTreeMap<String, u64>,
    /// What differs.
    pub groups: BTreeMap<Key, Group>,
}

/// What the members of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// How they differ.
    pub change: Change,
    /// What the old side said.
    pub old: String,
    /// What the new side says.
    pub new: String,
}

/// Requests that differ alike.
#[derive(Debug, Default)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// By user name.
    pub users: BTreeMap<String, User>,
}

/// One user's part of a group.
#[derive(Debug, Default)]
pub struct User {
    /// How many.
    pub count: u64,
    /// The list's name, as it was recorded.
    pub list: String,
    /// The administrator's note, by which people know a user.
    pub note: String,
    /// By the address that was decided about, or else by From.
    pub senders: BTreeMap<String, u64>,
    /// The first one.
    pub example: Option<Example>,
}

/// One request of a group.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Example {
    /// The id of the decision.
    pub id: Option<String>,
    /// When it was asked.
    pub at: String,
    /// What it says it is from.
    pub sender: String,
    /// The first recipient, and how many more.
    pub recipients: String,
    /// What the old side told the client; none when it took it.
    pub old_reply: Option<String>,
    /// What the new side tells the client; none when it takes it.
    pub new_reply: Option<String>,
    /// What the old side has done to the message.
    pub old_effects: Vec<String>,
    /// What the new side has done to it.
    pub new_effects: Vec<String>,
}

impl Comparison {
    /// Takes in what both sides made of a request.
    pub fn add(&mut self, subject: Subject, old: &Answer, new: &Answer) {
        let at = subject.at;
        self.total += 1;
        *self.users.entry(subject.username.clone()).or_default() += 1;
        self.old_failures += u64::from(old.failed);
        self.new_failures += u64::from(new.failed);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        let Some(change) = Change::between(old, new) else {
            self.unchanged += 1;
            return;
        };
        let group = self.groups.entry(key(change, old, new)).or_default();
        group.add(subject, (old, new));
    }

    /// Requests that differ in this way.
    pub fn count(&self, change: Change) -> u64 {
        let groups = self.groups.iter();
        groups
            .filter(|(key, _)| key.change == change)
            .map(|(_, group)| group.count)
            .sum()
    }

    /// Requests that somebody would notice: all that differ in more than the name of a rule.
    pub fn changed(&self) -> u64 {
        self.total - self.unchanged - self.count(Change::Rule)
    }

    /// The groups of a change, the largest first.
    pub fn groups_of(&self, change: Change) -> Vec<(&Key, &Group)> {
        let mut groups: Vec<_> = self
            .groups
            .iter()
            .filter(|(key, _)| key.change == change)
            .collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
        groups
    }
}

impl Group {
    fn add(&mut self, subject: Subject, (old, new): (&Answer, &Answer)) {
        self.count += 1;
        let user = self.users.entry(subject.username).or_default();
        user.count += 1;
        user.list = subject.list;
        user.note = subject.note;
        let decided_about = new.address.as_ref().or(old.address.as_ref());
        user.add_sender(decided_about.unwrap_or(&subject.sender));
        user.example.get_or_insert_with(|| Example {
            id: subject.id,
            at: subject.at.to_whole_seconds(),
            sender: subject.sender,
            recipients: subject.recipients,
            old_reply: old.reply.clone(),
            new_reply: new.reply.clone(),
            old_effects: old.effects.clone(),
            new_effects: new.effects.clone(),
        });
    }

    /// The users, those concerned most first.
    pub fn users(&self) -> Vec<(&str, &User)> {
        let mut users: Vec<_> = self
            .users
            .iter()
            .map(|(name, user)| (name.as_str(), user))
            .collect();
        users.sort_by_key(|(_, user)| std::cmp::Reverse(user.count));
        users
    }
}

impl User {
    fn add_sender(&mut self, sender: &str) {
        let is_room = self.senders.len() < SENDERS || self.senders.contains_key(sender);
        let sender = if is_room { sender } else { OTHER_SENDERS };
        *self.senders.entry(sender.to_owned()).or_default() += 1;
    }

    /// The senders, the most frequent first.
    pub fn senders(&self) -> Vec<(&str, u64)> {
        let mut senders: Vec<_> = self
            .senders
            .iter()
            .map(|(sender, count)| (sender.as_str(), *count))
            .collect();
        senders.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        senders
    }
}

/// What tells one group from another: the rules that differ, and what else the change is about.
fn key(change: Change, old: &Answer, new: &Answer) -> Key {
    let side = |own: &Answer, other: &Answer| {
        let differing: Vec<&str> = own
            .rules
            .iter()
            .filter(|rule| !other.rules.contains(rule))
            .map(String::as_str)
            .collect();
        let rules = match differing.is_empty() {
            false => differing.join(" "),
            true => own.rules.join(" "),
        };
        match change {
            Change::Priority => format!("priority {} by {rules}", own.priority),
            Change::Alerts if own.alerts.is_empty() => format!("no alert by {rules}"),
            Change::Alerts => format!("alert {} by {rules}", own.alerts.join(", ")),
            _ if rules.is_empty() => "(no policy)".to_owned(),
            _ => rules,
        }
    };
    Key {
        change,
        old: side(old, new),
        new: side(new, old),
    }
}

fn asked_at(request: &Request) -> Timestamp {
    Timestamp::from_millis(i64::try_from(request.session.received_at_ms).unwrap_or(i64::MAX))
}

/// What a person knows the message by: From, or else the reverse-path.
pub fn sender(request: &Request) -> String {
    let path = |address: &Option<types::Address>| {
        address
            .as_ref()
            .map_or_else(|| "<>".to_owned(), |address| address.full.clone())
    };
    match &request.stage {
        Stage::Message { message, .. } if !message.header_from.is_empty() => {
            let from: Vec<&str> = message
                .header_from
                .iter()
                .map(|address| address.full.as_str())
                .collect();
            from.join(" ")
        }
        Stage::Sender(sender) => path(sender),
        _ => path(&request.envelope.mail_from),
    }
}

fn recipients(request: &Request) -> String {
    let recipients = &request.envelope.recipients;
    match (&request.stage, recipients.as_slice()) {
        (Stage::Recipient(recipient), _) => recipient.full.clone(),
        (_, []) => String::new(),
        (_, [only]) => only.full.clone(),
        (_, [first, more @ ..]) => format!("{} and {} more", first.full, more.len()),
    }
}

fn fact<'a>(facts: &'a [types::Fact], name: &str) -> &'a str {
    let fact = facts.iter().find(|fact| fact.name == name);
    fact.map_or("", |fact| fact.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(priority: Priority) -> Answer {
        Answer {
            outcome: Outcome::Accepted,
            reply: None,
            priority,
            effects: vec![],
            alerts: vec![],
            rules: vec!["a/x".to_owned(), "b/ok".to_owned()],
            address: None,
            failed: false,
        }
    }

    fn refused(reply: &str) -> Answer {
        Answer {
            outcome: Outcome::Rejected,
            reply: Some(reply.to_owned()),
            rules: vec!["a/x".to_owned(), "b/no".to_owned()],
            ..accepted(Priority::Normal)
        }
    }

    #[test]
    fn two_answers_differ_in_what_a_client_notices_first() {
        let normal = || accepted(Priority::Normal);
        let alerted = Answer {
            alerts: vec!["sender-not-authorized".to_owned()],
            ..normal()
        };
        let routed = Answer {
            effects: vec!["route to \"archive\"".to_owned()],
            ..normal()
        };
        let renamed = Answer {
            rules: vec!["a/y".to_owned()],
            ..normal()
        };
        let slower = Answer {
            failed: true,
            ..normal()
        };
        let cases = [
            (normal(), normal(), None),
            (normal(), slower, None),
            (normal(), refused("550"), Some(Change::NewlyRefused)),
            (refused("550"), normal(), Some(Change::NewlyAccepted)),
            (refused("550"), refused("550"), None),
            (
                refused("550"),
                refused("451"),
                Some(Change::RefusedOtherwise),
            ),
            (
                normal(),
                accepted(Priority::Highest),
                Some(Change::Priority),
            ),
            (normal(), routed, Some(Change::Effects)),
            (normal(), alerted, Some(Change::Alerts)),
            (normal(), renamed, Some(Change::Rule)),
        ];
        for (old, new, expected) in cases {
            assert_eq!(Change::between(&old, &new), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn a_group_is_named_by_the_rules_that_differ() {
        let key = key(
            Change::NewlyRefused,
            &accepted(Priority::Normal),
            &refused("550"),
        );
        assert_eq!((key.old.as_str(), key.new.as_str()), ("b/ok", "b/no"));
    }

    #[test]
    fn senders_of_a_user_are_bounded() {
        let mut user = User::default();
        for number in 0..500 {
            user.add_sender(&format!("{number}@example.com"));
        }
        assert_eq!(user.senders.len(), SENDERS + 1);
        assert_eq!(user.senders()[0], (OTHER_SENDERS, 400));
    }
}
