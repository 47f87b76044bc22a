//! What is to change of a message so that it is one of an authorized sender.

use policy_kit::allowed::{Allowed, Entry};

use crate::bindings::gatepost::policy::types::{Address, Identity, Message, Originators};
use crate::settings::Settings;

/// The rule that decided. The names never change.
pub mod rule {
    /// Everything was authorized.
    pub const AUTHORIZED: &str = "authorized";
    /// The user may send as anyone.
    pub const UNRESTRICTED: &str = "unrestricted";
    /// Something was rewritten.
    pub const REWRITTEN: &str = "rewritten";
    /// From or Sender is missing or unreadable: nothing is guessed.
    pub const MALFORMED: &str = "malformed";
    /// The user has no authorized sender, and the settings name none that it may use.
    pub const NO_ADDRESS: &str = "no-address";
    /// MAIL FROM:<>.
    pub const NULL_SENDER: &str = "null-sender";
    /// The settings leave the reverse-path alone.
    pub const ENVELOPE_LEFT: &str = "envelope-left";
    /// Recipients are nobody's business here.
    pub const RECIPIENT_UNCHECKED: &str = "recipient-unchecked";
}

/// Something that is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// From becomes the address, Reply-To the original.
    From,
    /// Sender is removed.
    Sender,
    /// The reverse-path becomes the address.
    ReversePath,
}

/// What is to be done with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// What addresses become; empty without changes.
    pub address: String,
    /// The first address that is replaced or removed; empty without changes.
    pub replaced: String,
    /// Why.
    pub rule: &'static str,
}

impl Plan {
    /// Leaves the message as it is.
    pub const fn nothing(rule: &'static str) -> Self {
        Self {
            changes: Vec::new(),
            address: String::new(),
            replaced: String::new(),
            rule,
        }
    }
}

/// What is to change of a whole message.
pub fn of_message(
    settings: &Settings,
    identity: &Identity,
    message: &Message,
    mail_from: Option<&Address>,
) -> Plan {
    if message.originators != Originators::Complete {
        return Plan::nothing(rule::MALFORMED);
    }
    let mut claims: Vec<(Change, &Address)> = Vec::new();
    claims.extend(message.header_from.iter().map(|it| (Change::From, it)));
    claims.extend(message.header_sender.iter().map(|it| (Change::Sender, it)));
    let reverse_path = mail_from.filter(|_| settings.reverse_path);
    claims.extend(reverse_path.map(|it| (Change::ReversePath, it)));
    plan(settings, identity, &claims)
}

/// What is to change of a reverse-path before the upload.
pub fn of_sender(settings: &Settings, identity: &Identity, sender: Option<&Address>) -> Plan {
    match sender {
        None => Plan::nothing(rule::NULL_SENDER),
        Some(_) if !settings.reverse_path => Plan::nothing(rule::ENVELOPE_LEFT),
        Some(sender) => plan(settings, identity, &[(Change::ReversePath, sender)]),
    }
}

fn plan(settings: &Settings, identity: &Identity, claims: &[(Change, &Address)]) -> Plan {
    let allowed = Allowed::of(&identity.authorized_domains, &identity.authorized_senders);
    if allowed.is_everyone() {
        return Plan::nothing(rule::UNRESTRICTED);
    }
    let unauthorized = claims
        .iter()
        .filter(|(_, address)| !allowed.covers(&address.local_part, &address.domain));
    let mut changes: Vec<Change> = unauthorized.clone().map(|(change, _)| *change).collect();
    changes.dedup();
    let Some((_, first)) = unauthorized.into_iter().next() else {
        return Plan::nothing(rule::AUTHORIZED);
    };
    match address(settings, &allowed) {
        None => Plan::nothing(rule::NO_ADDRESS),
        Some(address) => Plan {
            changes,
            address,
            replaced: first.full.clone(),
            rule: rule::REWRITTEN,
        },
    }
}

/// The address of the settings where the user may use it, else its first authorized sender.
fn address(settings: &Settings, allowed: &Allowed) -> Option<String> {
    let usable = |address: &&String| match address.rsplit_once('@') {
        Some((local_part, domain)) => allowed.covers(local_part, domain),
        None => false,
    };
    if let Some(address) = settings.address.as_ref().filter(usable) {
        return Some(address.clone());
    }
    let Allowed::Only(entries) = allowed else {
        return None;
    };
    entries.iter().find_map(|entry| match entry {
        Entry::Address { full, .. } => Some((*full).to_owned()),
        Entry::Domain(_) | Entry::Subdomains(_) => None,
    })
}
