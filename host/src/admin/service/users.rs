//! Users of a list: what they may do, and their credentials.

use super::{Invalid, Service, ServiceError};
use crate::accounts::{
    self, Allowance, PolicySettings, Span, User, check_domains, check_senders, credentials, entries,
};
use crate::clock::Timestamp;
use crate::operators::Actor;
use crate::queue::Priority;
use crate::secret::Secret;
use crate::store::NewUser;

/// Users on one page. Default 50.
pub const USERS_ON_A_PAGE: u32 = 50;

/// Everything that can be set on a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSettings {
    /// Whether it may log in.
    pub active: bool,
    /// Its default priority.
    pub priority: Priority,
    /// A note for internal use.
    pub note: String,
    /// Domains it may send as, separated by `;`.
    pub authorized_domains: String,
    /// Addresses it may send as, separated by `;`.
    pub authorized_senders: String,
    /// What it tells the policies.
    pub policy_settings: PolicySettings,
    /// Messages it may send in an hour.
    pub messages_per_hour: Allowance,
    /// The same in a day.
    pub messages_per_day: Allowance,
    /// Messages of priority 1 it may send in an hour; the surplus becomes 2.
    pub urgent_per_hour: Allowance,
    /// The same in a day.
    pub urgent_per_day: Allowance,
}

impl Default for UserSettings {
    fn default() -> Self {
        Self {
            active: true,
            priority: Priority::Normal,
            note: String::new(),
            authorized_domains: String::new(),
            authorized_senders: String::new(),
            policy_settings: PolicySettings::default(),
            messages_per_hour: Allowance::Default,
            messages_per_day: Allowance::Default,
            urgent_per_hour: Allowance::Default,
            urgent_per_day: Allowance::Default,
        }
    }
}

impl UserSettings {
    /// Those of a user.
    pub fn of(user: &User) -> Self {
        Self {
            active: user.active,
            priority: user.priority,
            note: user.note.clone(),
            authorized_domains: user.authorized_domains.clone(),
            authorized_senders: user.authorized_senders.clone(),
            policy_settings: user.policy_settings.clone(),
            messages_per_hour: user.messages_per_hour,
            messages_per_day: user.messages_per_day,
            urgent_per_hour: user.urgent_per_hour,
            urgent_per_day: user.urgent_per_day,
        }
    }

    /// What of it cannot be.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`].
    pub fn check(&self) -> Result<(), ServiceError> {
        let mut invalid = Invalid::default();
        if self.note.chars().count() > accounts::MAX_NOTE_CHARACTERS {
            let max = accounts::MAX_NOTE_CHARACTERS;
            invalid.add("note", format!("use {max} characters at most"));
        }
        let domains = check_domains(&self.authorized_domains);
        invalid.add_entries("authorized_domains", domains);
        let senders = check_senders(&self.authorized_senders);
        invalid.add_entries("authorized_senders", senders);
        invalid.into_result()
    }
}

/// A page of users, in the order they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The users.
    pub users: Vec<User>,
    /// The page's number, from 1.
    pub number: u32,
    /// True when another follows.
    pub has_next: bool,
}

/// What a user has sent, as far as its limits count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentCounts {
    /// Messages within an hour.
    pub hour: u32,
    /// Within a day.
    pub day: u32,
    /// Messages of priority 1 within an hour.
    pub urgent_hour: u32,
    /// Within a day.
    pub urgent_day: u32,
}

/// What is wrong with one of the `;` texts, and what is probably not meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryAdvice {
    /// Entries that would match nothing.
    pub problems: Vec<String>,
    /// Entries that are valid and odd.
    pub advice: Vec<String>,
}

impl Service {
    /// A page of the users of a list whose name, note or authorizations contain the text.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn users(
        &self,
        actor: &Actor,
        list_id: i64,
        search: &str,
        number: u32,
    ) -> Result<UserPage, ServiceError> {
        self.list(actor, list_id).await?;
        let number = number.max(1);
        let from = (number - 1).saturating_mul(USERS_ON_A_PAGE);
        let page = self
            .store()
            .user_page(list_id, search, from, USERS_ON_A_PAGE + 1);
        let mut users = page.await?;
        let has_next = users.len() > USERS_ON_A_PAGE as usize;
        users.truncate(USERS_ON_A_PAGE as usize);
        Ok(UserPage {
            users,
            number,
            has_next,
        })
    }

    /// Users of a list in the order they were made, whose name, note or authorizations contain the text, from the one
    /// behind number `after` on.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn users_after(
        &self,
        actor: &Actor,
        list_id: i64,
        search: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<User>, ServiceError> {
        self.list(actor, list_id).await?;
        let found = self.store().users_after(list_id, search, after, limit);
        Ok(found.await?)
    }

    /// One user of a list.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], also for one of another list.
    pub async fn user(
        &self,
        actor: &Actor,
        list_id: i64,
        username: &str,
    ) -> Result<User, ServiceError> {
        let not_found = || ServiceError::not_found("user");
        if !actor.reaches(list_id) {
            return Err(not_found());
        }
        let found = self.store().user_by_name(username).await?;
        let own = found.filter(|user| user.list_id == list_id);
        own.ok_or_else(not_found)
    }

    /// Makes a user; the password is known now and never again.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Invalid`].
    pub async fn add_user(
        &self,
        actor: &Actor,
        list_id: i64,
        settings: UserSettings,
    ) -> Result<(User, Secret<String>), ServiceError> {
        self.list(actor, list_id).await?;
        settings.check()?;
        let made = self.credential().await?;
        let user = NewUser {
            list_id,
            password_hash: made.password_hash,
            scram_verifier: Some(made.scram_verifier),
            active: settings.active,
            priority: settings.priority,
            note: settings.note,
            authorized_domains: settings.authorized_domains,
            authorized_senders: settings.authorized_senders,
            policy_settings: settings.policy_settings,
            messages_per_hour: settings.messages_per_hour,
            messages_per_day: settings.messages_per_day,
            urgent_per_hour: settings.urgent_per_hour,
            urgent_per_day: settings.urgent_per_day,
        };
        Ok((self.store().create_user(user).await?, made.password))
    }

    /// Changes a user. One that was suspended and becomes active is no more.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Invalid`].
    pub async fn edit_user(
        &self,
        actor: &Actor,
        list_id: i64,
        username: &str,
        settings: UserSettings,
    ) -> Result<User, ServiceError> {
        let user = self.user(actor, list_id, username).await?;
        settings.check()?;
        let changed = User {
            active: settings.active,
            priority: settings.priority,
            note: settings.note,
            authorized_domains: settings.authorized_domains,
            authorized_senders: settings.authorized_senders,
            policy_settings: settings.policy_settings,
            messages_per_hour: settings.messages_per_hour,
            messages_per_day: settings.messages_per_day,
            urgent_per_hour: settings.urgent_per_hour,
            urgent_per_day: settings.urgent_per_day,
            ..user
        };
        self.store().update_user(&changed).await?;
        self.user(actor, list_id, username).await
    }

    /// Replaces a user's password; the new one is known now and never again.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn reset_password(
        &self,
        actor: &Actor,
        list_id: i64,
        username: &str,
    ) -> Result<Secret<String>, ServiceError> {
        let user = self.user(actor, list_id, username).await?;
        let made = self.credential().await?;
        let (hash, verifier) = (made.password_hash, Some(made.scram_verifier));
        self.store().set_password(user.id, hash, verifier).await?;
        Ok(made.password)
    }

    /// Deletes a user; what it has submitted stays.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn delete_user(
        &self,
        actor: &Actor,
        list_id: i64,
        username: &str,
    ) -> Result<User, ServiceError> {
        let user = self.user(actor, list_id, username).await?;
        self.store().delete_user(user.id).await?;
        Ok(user)
    }

    /// What a user has sent, as its limits count it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn sent(
        &self,
        actor: &Actor,
        list_id: i64,
        username: &str,
    ) -> Result<SentCounts, ServiceError> {
        let user = self.user(actor, list_id, username).await?;
        let now = Timestamp::now();
        let usage = self.store().usage(&user.username, now).await?;
        Ok(SentCounts {
            hour: usage.within(Span::Hour, now),
            day: usage.within(Span::Day, now),
            urgent_hour: usage.urgent_within(Span::Hour, now),
            urgent_day: usage.urgent_within(Span::Day, now),
        })
    }

    async fn credential(&self) -> Result<credentials::Credential, ServiceError> {
        let config = self.rooms.accounts.clone();
        let basis = self.store().scram_basis(config.scram_iterations).await?;
        let made = tokio::task::spawn_blocking(move || credentials::generate(&config, &basis));
        match made.await {
            Ok(Ok(credential)) => Ok(credential),
            Ok(Err(error)) => Err(accounts::VerifierError::from(error).into()),
            Err(error) => Err(accounts::VerifierError::from(error).into()),
        }
    }
}

/// Looks at an authorized-domains text while it is written.
pub fn advise_domains(text: &str) -> EntryAdvice {
    let problems = check_domains(text).err().unwrap_or_default();
    EntryAdvice {
        problems: problems.iter().map(ToString::to_string).collect(),
        advice: entries::advise_domains(text)
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

/// Looks at an authorized-senders text while it is written.
pub fn advise_senders(text: &str) -> EntryAdvice {
    let problems = check_senders(text).err().unwrap_or_default();
    EntryAdvice {
        problems: problems.iter().map(ToString::to_string).collect(),
        advice: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_entry_is_told_at_its_field() {
        let settings = UserSettings {
            note: "x".repeat(1001),
            authorized_domains: "a.example, b.example; info@example.com".to_owned(),
            authorized_senders: "example.com".to_owned(),
            ..UserSettings::default()
        };
        let Err(ServiceError::Invalid(invalid)) = settings.check() else {
            panic!("it is invalid");
        };
        let fields: Vec<_> = invalid.problems().iter().map(|one| one.field).collect();
        assert_eq!(
            fields,
            [
                "note",
                "authorized_domains",
                "authorized_domains",
                "authorized_senders"
            ]
        );
        let domains = invalid.of("authorized_domains");
        assert!(
            domains[0].contains("has a `,` where a `;` belongs"),
            "{domains:?}"
        );
        assert!(
            domains[1].contains("is an address, not a domain"),
            "{domains:?}"
        );
    }

    #[test]
    fn a_web_site_is_advised_against_and_allowed() {
        let told = advise_domains("www.example.com;example.org");
        assert!(told.problems.is_empty());
        assert_eq!(told.advice.len(), 1);
        assert!(told.advice[0].contains("mail is usually from `example.com`"));
    }
}
