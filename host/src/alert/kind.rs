//! The kinds of alerts: a closed set with stable names, in the groups that an administrator chooses from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an administrator can ask to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// A user sent, or tried to send, as someone it may not be.
    UnauthorizedSender,
    /// A policy could not decide: it failed, or took too long.
    PolicyFailure,
    /// Mail does not leave: a destination is dead, the smarthost refuses the login, DNS does not answer. Nor does a
    /// webhook take its events.
    DeliveryProblem,
    /// A message was given up for a recipient.
    Bounce,
    /// A user sends more than is usual or allowed, was suspended, or somebody guesses its password.
    UserFlooding,
    /// Mail has been due for long and nothing leaves, or a node that sends it is lost.
    QueueStalled,
    /// A certificate is about to expire.
    CertificateExpiring,
    /// A changed configuration, certificate or policy cannot be used.
    ReloadFailed,
    /// What a policy wants to be known, in its own words.
    Policy,
    /// Raised by hand, to see that alerts arrive. Told whatever is chosen.
    Test,
}

/// All groups that can be chosen, in the order they are shown.
pub const GROUPS: [Group; 9] = [
    Group::UnauthorizedSender,
    Group::PolicyFailure,
    Group::DeliveryProblem,
    Group::Bounce,
    Group::UserFlooding,
    Group::QueueStalled,
    Group::CertificateExpiring,
    Group::ReloadFailed,
    Group::Policy,
];

impl Group {
    /// Its stable machine name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnauthorizedSender => "unauthorized-sender",
            Self::PolicyFailure => "policy-failure",
            Self::DeliveryProblem => "delivery-problem",
            Self::Bounce => "bounce",
            Self::UserFlooding => "user-flooding",
            Self::QueueStalled => "queue-stalled",
            Self::CertificateExpiring => "certificate-expiring",
            Self::ReloadFailed => "reload-failed",
            Self::Policy => "policy",
            Self::Test => "test",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::UnauthorizedSender => "Unauthorized sender",
            Self::PolicyFailure => "Policy failure",
            Self::DeliveryProblem => "Delivery problem",
            Self::Bounce => "Bounce",
            Self::UserFlooding => "User flooding or suspended",
            Self::QueueStalled => "Queue stalled or node lost",
            Self::CertificateExpiring => "Certificate expiring",
            Self::ReloadFailed => "Reload failed",
            Self::Policy => "Raised by a policy",
            Self::Test => "Test",
        }
    }

    /// The group of this machine name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = GROUPS.into_iter().chain([Self::Test]);
        all.find(|group| group.name() == name)
    }

    /// Whether alerts of this group can belong to a list; the others concern the whole relay.
    pub const fn concerns_lists(self) -> bool {
        !matches!(
            self,
            Self::QueueStalled | Self::CertificateExpiring | Self::ReloadFailed
        )
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An address that the user may not send as.
    SenderNotAuthorized,
    /// `From` or `Sender` are missing or cannot be read.
    OriginatorMalformed,
    /// A policy failed; what became of the message is its `on-failure`.
    PolicyFailure,
    /// A next hop that does not take mail from this relay, or cannot be reached for long.
    DeliveryProblem,
    /// Nobody takes the events of a webhook.
    WebhookFailing,
    /// A recipient was given up.
    DeliveryFailed,
    /// Four fifths of a limit are used up.
    SendingLimitNear,
    /// Mail was refused because of a limit.
    SendingLimitReached,
    /// Many messages of a user without a limit.
    ManyMessages,
    /// Urgent mail went with priority 2, as the user had used up its budget.
    UrgentBudgetUsedUp,
    /// More than a policy allows.
    RateExceeded,
    /// A user was made inactive because of what it sends.
    UserSuspended,
    /// Passwords are being guessed.
    AuthenticationFailures,
    /// Passwords of operators of the panel are being guessed.
    SignInFailures,
    /// Mail has been due for long and nothing leaves.
    QueueStalled,
    /// A node of a shared store has ended without taking its leave, and is not back.
    NodeLost,
    /// A certificate that clients are shown ends to be valid soon.
    CertificateExpiring,
    /// A reload failed; everything stays as it was.
    ReloadFailed,
    /// Raised by hand.
    Test,
    /// The code that a policy gave it.
    Policy(String),
}

/// The kinds that have a name of their own here.
const KINDS: [Kind; 19] = [
    Kind::SenderNotAuthorized,
    Kind::OriginatorMalformed,
    Kind::PolicyFailure,
    Kind::DeliveryProblem,
    Kind::WebhookFailing,
    Kind::DeliveryFailed,
    Kind::SendingLimitNear,
    Kind::SendingLimitReached,
    Kind::ManyMessages,
    Kind::UrgentBudgetUsedUp,
    Kind::RateExceeded,
    Kind::UserSuspended,
    Kind::AuthenticationFailures,
    Kind::SignInFailures,
    Kind::QueueStalled,
    Kind::NodeLost,
    Kind::CertificateExpiring,
    Kind::ReloadFailed,
    Kind::Test,
];

impl Kind {
    /// Its stable machine name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::SenderNotAuthorized => "sender-not-authorized",
            Self::OriginatorMalformed => "originator-malformed",
            Self::PolicyFailure => "policy-failure",
            Self::DeliveryProblem => "delivery-problem",
            Self::WebhookFailing => "webhook-failing",
            Self::DeliveryFailed => "delivery-failed",
            Self::SendingLimitNear => "sending-limit-near",
            Self::SendingLimitReached => "sending-limit-reached",
            Self::ManyMessages => "many-messages",
            Self::UrgentBudgetUsedUp => "urgent-budget-used-up",
            Self::RateExceeded => "rate-exceeded",
            Self::UserSuspended => "user-suspended",
            Self::AuthenticationFailures => "authentication-failures",
            Self::SignInFailures => "panel-sign-in-failures",
            Self::QueueStalled => "queue-stalled",
            Self::NodeLost => "node-lost",
            Self::CertificateExpiring => "certificate-expiring",
            Self::ReloadFailed => "reload-failed",
            Self::Test => "test",
            Self::Policy(code) => code,
        }
    }

    /// The kind of this name; one that is not known here is a policy's own.
    pub fn from_name(name: &str) -> Self {
        let known = KINDS.into_iter().find(|kind| kind.as_str() == name);
        known.unwrap_or_else(|| Self::Policy(name.to_owned()))
    }

    /// What a policy calls `code`. The name of a test alone is not a policy's to use.
    pub fn of_policy(code: &str) -> Self {
        match Self::from_name(code) {
            Self::Test => Self::Policy("policy-test".to_owned()),
            kind => kind,
        }
    }

    /// The group that it is chosen by.
    pub const fn group(&self) -> Group {
        match self {
            Self::SenderNotAuthorized | Self::OriginatorMalformed => Group::UnauthorizedSender,
            Self::PolicyFailure => Group::PolicyFailure,
            Self::DeliveryProblem | Self::WebhookFailing => Group::DeliveryProblem,
            Self::DeliveryFailed => Group::Bounce,
            Self::SendingLimitNear
            | Self::SendingLimitReached
            | Self::ManyMessages
            | Self::UrgentBudgetUsedUp
            | Self::RateExceeded
            | Self::UserSuspended
            | Self::AuthenticationFailures
            | Self::SignInFailures => Group::UserFlooding,
            Self::QueueStalled | Self::NodeLost => Group::QueueStalled,
            Self::CertificateExpiring => Group::CertificateExpiring,
            Self::ReloadFailed => Group::ReloadFailed,
            Self::Test => Group::Test,
            Self::Policy(_) => Group::Policy,
        }
    }

    /// The kinds of a group; all that have a name here for [`Group::Policy`], whose kinds are the others.
    pub fn of_group(group: Group) -> Vec<Self> {
        let is_of = |kind: &Self| group == Group::Policy || kind.group() == group;
        KINDS.into_iter().filter(is_of).collect()
    }

    /// What an administrator can do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::SenderNotAuthorized => {
                "If the user may send as this address, add it to the user's authorized senders, or its domain to the \
                 authorized domains. If not, correct the From address in the program that sends. If nobody of yours \
                 sent it, reset the user's password."
            }
            Self::OriginatorMalformed => "Correct the From header in the program that sends.",
            Self::PolicyFailure => {
                "See what the policy says with `gatepost policy inspect`, and what it was asked with `gatepost policy explain`."
            }
            Self::DeliveryProblem => {
                "Check that the next hop is up and takes mail from this relay: its name, port, user name and password \
                 stand in [delivery]. Mail waits and leaves by itself when it answers."
            }
            Self::WebhookFailing => {
                "Check that the receiver is up and answers with a status from 200 to 299; `gatepost alert settings` \
                 shows what it answered last."
            }
            Self::DeliveryFailed => {
                "Check the recipient's address. `gatepost queue show ID` has the words of the next hop."
            }
            Self::SendingLimitNear
            | Self::SendingLimitReached
            | Self::ManyMessages
            | Self::RateExceeded => {
                "If the user should send that much, raise its limit. If not, find out what sends; was its password \
                 stolen, reset it."
            }
            Self::UrgentBudgetUsedUp => "If that much should be urgent, raise the user's budget.",
            Self::UserSuspended => {
                "Find out what sent so much. Was the password stolen, reset it; then make the user active again."
            }
            Self::AuthenticationFailures | Self::SignInFailures => {
                "A forgotten program with an old password looks like this too: ask who is at the address. Reset the \
                 password if it may be known to others."
            }
            Self::QueueStalled => {
                "Look at `gatepost queue list` and at the log: is the next hop down, or the machine out of memory or disk?"
            }
            Self::NodeLost => {
                "Look at its machine, and at the end of its log. The others send what it held; there is nothing to repair \
                 but the node. `gatepost nodes` shows who is there."
            }
            Self::CertificateExpiring => {
                "Renew the certificate and put it where [tls] names it; the relay takes it up by itself."
            }
            Self::ReloadFailed => {
                "Correct what it names, then send SIGHUP or run `gatepost policy reload`. Until then everything works as before."
            }
            Self::Test => {
                "Nothing: alerts of this kind are raised by hand to see that they arrive."
            }
            Self::Policy(_) => "The policy that raised it knows; its rule stands above.",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<&str> for Kind {
    fn eq(&self, name: &&str) -> bool {
        self.as_str() == *name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in KINDS {
            assert_eq!(Kind::from_name(kind.as_str()), kind);
            assert_ne!(kind.group(), Group::Policy);
        }
        let own = Kind::from_name("seen-a-unicorn");
        assert_eq!(
            (own.as_str(), own.group()),
            ("seen-a-unicorn", Group::Policy)
        );
        assert_eq!(Kind::of_policy("test").group(), Group::Policy);
    }

    #[test]
    fn every_group_is_found_by_its_name_and_has_a_kind() {
        for group in GROUPS.into_iter().chain([Group::Test]) {
            assert_eq!(Group::from_name(group.name()), Some(group));
            let has_kind = KINDS.iter().any(|kind| kind.group() == group);
            assert!(has_kind || group == Group::Policy, "{group}");
            let serialized = serde_json::to_string(&group).expect("a name");
            assert_eq!(serialized, format!("{:?}", group.name()));
        }
    }
}
