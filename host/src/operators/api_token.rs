//! Tokens by which programs use the API: whose they are, what they may do, and to which lists.

use super::{Actor, Digest, Operator, Role};
use crate::clock::Timestamp;

/// Something that a token allows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Looking at lists, users, messages, alerts and whatever else the panel shows.
    Read,
    /// Changing them; not operators.
    Write,
    /// Submitting messages.
    Send,
    /// Making and changing operators: who may do that may become one.
    Operators,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Send, Self::Operators];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Send => "send",
            Self::Operators => "operators",
        }
    }

    /// The scope of such a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }

    /// Its bit in what the store keeps.
    pub const fn bit(self) -> i64 {
        1 << self as i64
    }
}

/// What is known of a token. The token itself is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number.
    pub id: i64,
    /// What it is for, in its owner's words.
    pub name: String,
    /// The operator in whose name it acts: it never reaches more than its owner does.
    pub owner: Operator,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The only lists that it reaches; none: all of its owner's.
    pub lists: Option<Vec<i64>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, a little rounded.
    pub used_at: Option<Timestamp>,
}

impl ApiToken {
    /// Who asks for an operation with it. One that is narrowed to lists is a list manager's, whoever owns it.
    pub fn actor(&self) -> Actor {
        let owner = self.owner.actor();
        let name = format!("{} (token {})", owner.name, self.name);
        let Some(own) = &self.lists else {
            return Actor { name, ..owner };
        };
        let lists = own.iter().copied().filter(|list| owner.reaches(*list));
        Actor {
            name,
            role: Role::ListManager,
            lists: lists.collect(),
            ..owner
        }
    }

    /// Whether it allows that.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// What a token is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiToken {
    /// What it is for.
    pub name: String,
    /// The operator in whose name it acts.
    pub owner: i64,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The only lists that it reaches; none: all of its owner's.
    pub lists: Option<Vec<i64>>,
    /// What is kept of the token itself.
    pub digest: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(role: Role, owned: &[i64], lists: Option<&[i64]>) -> ApiToken {
        ApiToken {
            id: 1,
            name: "shop".to_owned(),
            owner: Operator {
                id: 7,
                name: "anna".to_owned(),
                role,
                lists: owned.to_vec(),
                active: true,
                password_hash: None,
                credential_version: 1,
                totp: None,
                created_at: Timestamp::from_millis(0),
                signed_in_at: None,
            },
            scopes: vec![Scope::Read],
            lists: lists.map(<[i64]>::to_vec),
            created_at: Timestamp::from_millis(0),
            used_at: None,
        }
    }

    #[test]
    fn a_token_never_reaches_more_than_its_owner() {
        let narrowed = token(Role::ListManager, &[1, 2], Some(&[2, 3])).actor();
        assert_eq!(narrowed.lists, [2]);
        assert!(token(Role::Operator, &[], None).actor().is_operator());
        assert!(token(Role::ListManager, &[1], None).actor().reaches(1));
    }

    #[test]
    fn a_token_for_lists_is_no_operators_even_when_they_are_gone() {
        let actor = token(Role::Operator, &[], Some(&[])).actor();
        assert!(!actor.is_operator());
        assert!(!actor.reaches(1));
    }

    #[test]
    fn scopes_survive_their_words_and_have_bits_of_their_own() {
        let bits: i64 = Scope::ALL.map(Scope::bit).iter().sum();
        assert_eq!(bits, 0b1111, "one of its own for each");
        for scope in Scope::ALL {
            assert_eq!(Scope::from_word(scope.word()), Some(scope));
        }
        assert_eq!(Scope::from_word("all"), None);
    }
}
