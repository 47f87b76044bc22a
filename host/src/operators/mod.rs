//! Who may use the panel and its API: operators, their roles, sessions, one-time links and codes, as pure values.
//!
//! `store` keeps them, `admin` lets them in. No password and no token is ever kept, only what one can be
//! compared with.

mod api_token;
mod password;
mod token;
mod totp;

pub use self::api_token::{ApiToken, NewApiToken, Scope};
pub use self::password::{PasswordProblem, check_password};
pub use self::token::{Digest, Token};
pub use self::totp::{TotpKey, code_of};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// Characters of an operator's name at most. Default 64.
pub const MAX_NAME_CHARACTERS: usize = 64;

/// What somebody may reach.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Operator,
    /// What belongs to the lists of its own.
    ListManager,
}

impl Role {
    /// The word for it in forms and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::ListManager => "list-manager",
        }
    }

    /// The role of such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Operator, Self::ListManager]
            .into_iter()
            .find(|role| role.word() == word)
    }

    /// The word for it in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "Operator",
            Self::ListManager => "List manager",
        }
    }
}

/// A person who signs in to the panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its number.
    pub id: i64,
    /// The name it signs in with, unique without regard to case.
    pub name: String,
    /// What it may reach.
    pub role: Role,
    /// The lists of a list manager, by number; empty for operators, who reach all.
    pub lists: Vec<i64>,
    /// False: it may not sign in.
    pub active: bool,
    /// The argon2id hash in PHC form; none until its first link is used.
    pub password_hash: Option<Secret<String>>,
    /// Grows with every new password.
    pub credential_version: i64,
    /// The key of its one-time codes; none when it uses none.
    pub totp: Option<TotpKey>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last signed in.
    pub signed_in_at: Option<Timestamp>,
}

impl Operator {
    /// What it may do, for the operations.
    pub fn actor(&self) -> Actor {
        Actor {
            id: self.id,
            name: self.name.clone(),
            role: self.role,
            lists: self.lists.clone(),
        }
    }
}

/// What an operator is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOperator {
    /// The name it signs in with.
    pub name: String,
    /// What it may reach.
    pub role: Role,
    /// The lists of a list manager.
    pub lists: Vec<i64>,
}

/// A sign-in that holds: made at sign-in, ended by signing out, by time, or by a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The digest of the token that the browser holds.
    pub digest: Digest,
    /// Whose it is.
    pub operator_id: i64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was last used, a little rounded.
    pub seen_at: Timestamp,
}

/// Who asks for an operation, and what of the relay is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The operator's number.
    pub id: i64,
    /// Its name, as timelines tell it.
    pub name: String,
    /// What it may reach.
    pub role: Role,
    /// The lists of a list manager.
    pub lists: Vec<i64>,
}

impl Actor {
    /// Whether everything is theirs.
    pub fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }

    /// Whether what belongs to this list is theirs.
    pub fn reaches(&self, list_id: i64) -> bool {
        self.is_operator() || self.lists.contains(&list_id)
    }

    /// The lists that are theirs; none when all are.
    pub fn only_lists(&self) -> Option<&[i64]> {
        (!self.is_operator()).then_some(self.lists.as_slice())
    }
}

/// What is wrong with a name for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "use 1 to {MAX_NAME_CHARACTERS} characters without control characters, and no space at either end"
)]
pub struct NameProblem;

/// Checks a name before it is kept.
///
/// # Errors
/// When nobody could tell it from another, or type it.
pub fn check_name(name: &str) -> Result<(), NameProblem> {
    let is_usable = name.trim() == name
        && (1..=MAX_NAME_CHARACTERS).contains(&name.chars().count())
        && !name.chars().any(char::is_control);
    if is_usable { Ok(()) } else { Err(NameProblem) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(role: Role, lists: &[i64]) -> Actor {
        Actor {
            id: 1,
            name: "anna".to_owned(),
            role,
            lists: lists.to_vec(),
        }
    }

    #[test]
    fn an_operator_reaches_every_list_and_a_list_manager_its_own() {
        assert!(actor(Role::Operator, &[]).reaches(7));
        assert_eq!(actor(Role::Operator, &[]).only_lists(), None);
        let manager = actor(Role::ListManager, &[2, 3]);
        assert!(manager.reaches(3));
        assert!(!manager.reaches(7));
        assert_eq!(manager.only_lists(), Some([2, 3].as_slice()));
    }

    #[test]
    fn a_role_survives_its_word() {
        for role in [Role::Operator, Role::ListManager] {
            assert_eq!(Role::from_word(role.word()), Some(role));
        }
        assert_eq!(Role::from_word("Operator"), None);
    }

    #[test]
    fn a_name_is_short_and_can_be_typed() {
        for good in ["a", "anna.müller@example.com", "Anna Müller"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", " ", " a", "a ", "a\nb", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
