//! Lists and users: what they are, how their credentials are made and verified. `store` keeps them.

mod allowance;
mod config;
pub mod credentials;
pub mod entries;
mod explain;
mod list_rules;
pub mod password;
mod policy_settings;
pub mod scram;
mod usage;
pub mod verifier;

pub use self::allowance::{Allowance, Limit, ParseAllowanceError, ParseLimitError, Suspension};
pub use self::config::Config;
pub use self::entries::{
    EntryProblem, check_domains, check_senders, domain_entries, sender_entries,
};
pub use self::list_rules::{IDENTITIES, ListNameProblem, check_list_name, unknown_identity};
pub use self::policy_settings::{PolicySetting, PolicySettingError, PolicySettings};
pub use self::usage::{Sent, Slot, Span, Usage};
pub use self::verifier::{Verifier, VerifierError};
use crate::clock::Timestamp;
use crate::queue::Priority;
use crate::secret::Secret;

/// Characters of a user's note at most. Default 1,000: some sentences.
pub const MAX_NOTE_CHARACTERS: usize = 1000;

/// A list groups users, messages, alerts and their settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its number; the `N` of user names like `sN_1`.
    pub id: i64,
    /// Its name, unique without regard to case.
    pub name: String,
    /// What happens to unauthorized senders of this list; none leaves it to the policy's settings.
    pub unauthorized: Option<Unauthorized>,
    /// Which identities are checked, for example `from,sender`; none leaves it to the policy's settings.
    pub check: Option<String>,
    /// The route of the configuration that its mail takes, where no policy chose another; none: where all mail goes.
    pub route: Option<String>,
    /// True when a message of effective priority 1 is marked so for its reader.
    pub display_importance: bool,
    /// What it tells the policies, as the facts `list.setting.…`.
    pub policy_settings: PolicySettings,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What happens to a message from an unauthorized sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unauthorized {
    /// Sent, with an alert: the behaviour before version 8.2.4.
    Alert,
    /// Refused, with an alert: version 8.2.4 and later, with the feature on.
    Block,
}

/// A user: what one client or application logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub id: i64,
    /// The list it belongs to.
    pub list_id: i64,
    /// Generated, for example `s1_2`: the second user of list 1.
    pub username: String,
    /// False: it may not log in.
    pub active: bool,
    /// Its default priority.
    pub priority: Priority,
    /// A note for administrators.
    pub note: String,
    /// Domains it may send as, separated by `;`, as they were entered.
    pub authorized_domains: String,
    /// Addresses it may send as, separated by `;`, as they were entered.
    pub authorized_senders: String,
    /// What it tells the policies, as the facts `account.setting.…`.
    pub policy_settings: PolicySettings,
    /// Messages it may send in an hour.
    pub messages_per_hour: Allowance,
    /// Messages it may send in a day.
    pub messages_per_day: Allowance,
    /// Messages of priority 1 it may send in an hour; the surplus becomes 2.
    pub urgent_per_hour: Allowance,
    /// The same in a day.
    pub urgent_per_day: Allowance,
    /// Why the relay made it inactive; none when a person did, or while it is active.
    pub suspension: Option<Suspension>,
    /// When its most recent suspension was lifted: what it sent before counts no more.
    pub counting_since: Option<Timestamp>,
    /// Grows with every password reset.
    pub credential_version: i64,
    /// The argon2id hash in PHC form.
    pub password_hash: Secret<String>,
    /// What SCRAM judges proofs by (RFC 5803); none when the password is older than SCRAM here.
    pub scram_verifier: Option<Secret<String>>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A user with its list: what a session carries and every decision reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The list it belongs to.
    pub list: List,
}

/// The name of the `number`th user of a list, for example `s1_2`.
pub fn username(list_id: i64, number: i64) -> String {
    format!("s{list_id}_{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_tells_the_list_and_the_user() {
        assert_eq!(username(1, 2), "s1_2");
    }
}
