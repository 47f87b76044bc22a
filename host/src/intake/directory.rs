//! Who may log in, as of now: cached, yet never older than the question.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use std::sync::Arc;

use parking_lot::Mutex;

use super::known_senders::KnownSenders;
use super::request::{fact, wit_priority};
use crate::accounts::{Account, Unauthorized, domain_entries, sender_entries};
use crate::policy::{KnownVerdicts, types};
use crate::store::{Store, StoreError};

/// Accounts kept in memory. Default 100,000; the cache starts anew beyond.
const MAX_CACHED_ACCOUNTS: usize = 100_000;

/// An account with the form of it that policies see.
#[derive(Debug)]
pub struct Principal {
    /// The user and its list.
    pub account: Account,
    /// The record handed to policies.
    pub identity: types::Identity,
    /// The reverse-paths that the policies need not be asked about again.
    pub(super) known_senders: KnownSenders,
    /// What they have said about its messages.
    pub(super) known_verdicts: KnownVerdicts,
}

impl Principal {
    /// The account with what policies see of it.
    pub fn new(account: Account) -> Self {
        Self {
            identity: identity(&account),
            known_senders: KnownSenders::default(),
            known_verdicts: KnownVerdicts::default(),
            account,
        }
    }
}

/// Answers who an account is. An edit, by whatever process, is seen by every question asked after it.
///
/// The store counts every change of lists and users. A question reads that count and takes the
/// account from memory if nothing changed; questions asked at the same time share one read.
pub struct Directory {
    store: Store,
    /// Questions asked so far.
    asked: AtomicU64,
    /// Questions that the cache is not older than.
    answered: AtomicU64,
    // Held across the read of the count on purpose: those who wait for it share its answer.
    reading: tokio::sync::Mutex<()>,
    cache: Mutex<Cache>,
}

/// When a question was asked; commands that arrived together share one.
#[derive(Clone, Copy, Debug)]
pub struct Asked(u64);

#[derive(Default)]
struct Cache {
    generation: i64,
    principals: HashMap<String, Arc<Principal>>,
}

impl Cache {
    fn renew(&mut self, generation: i64) {
        if self.generation != generation {
            self.principals.clear();
            self.generation = generation;
        }
    }
}

impl Directory {
    /// Over the accounts of `store`.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            reading: tokio::sync::Mutex::new(()),
            cache: Mutex::default(),
        }
    }

    /// Marks now as the time of a question that [`Directory::at`] will answer.
    pub fn ask(&self) -> Asked {
        Asked(self.asked.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The account as it was when it was asked for, or later; none when there is none of that name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn at(
        &self,
        asked: Asked,
        username: &str,
    ) -> Result<Option<Arc<Principal>>, StoreError> {
        self.refresh(asked).await?;
        let generation = {
            let cache = self.cache.lock();
            if let Some(principal) = cache.principals.get(username) {
                return Ok(Some(Arc::clone(principal)));
            }
            cache.generation
        };
        let Some(account) = self.store.account(username).await? else {
            return Ok(None);
        };
        let principal = Arc::new(Principal::new(account));
        self.remember(generation, username, &principal);
        Ok(Some(principal))
    }

    /// Makes sure that the cache is no older than the question.
    async fn refresh(&self, Asked(ticket): Asked) -> Result<(), StoreError> {
        let is_answered = || self.answered.load(Ordering::SeqCst) >= ticket;
        if is_answered() {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        if is_answered() {
            return Ok(());
        }
        let covered = self.asked.load(Ordering::SeqCst);
        let generation = self.store.accounts_generation().await?;
        self.cache.lock().renew(generation);
        self.answered.store(covered, Ordering::SeqCst);
        Ok(())
    }

    /// Keeps the account unless something changed while it was read.
    fn remember(&self, generation: i64, username: &str, principal: &Arc<Principal>) {
        let mut cache = self.cache.lock();
        if cache.generation != generation {
            return;
        }
        if cache.principals.len() >= MAX_CACHED_ACCOUNTS {
            cache.principals.clear();
        }
        cache
            .principals
            .insert(username.to_owned(), Arc::clone(principal));
    }
}

fn identity(account: &Account) -> types::Identity {
    let (user, list) = (&account.user, &account.list);
    let mut facts = vec![
        fact("account.id", user.id),
        fact("account.note", &user.note),
        fact("list.id", list.id),
        fact("list.name", &list.name),
    ];
    if let Some(unauthorized) = list.unauthorized {
        facts.push(fact(
            "list.unauthorized",
            match unauthorized {
                Unauthorized::Alert => "alert",
                Unauthorized::Block => "block",
            },
        ));
    }
    if let Some(check) = &list.check {
        facts.push(fact("list.check", check));
    }
    for (name, value) in list.policy_settings.iter() {
        facts.push(fact(&format!("list.setting.{name}"), value));
    }
    for (name, value) in user.policy_settings.iter() {
        facts.push(fact(&format!("account.setting.{name}"), value));
    }
    types::Identity {
        username: user.username.clone(),
        authorized_domains: domain_entries(&user.authorized_domains),
        authorized_senders: sender_entries(&user.authorized_senders),
        default_priority: wit_priority(user.priority.number()).expect("a priority is 1 to 5"),
        facts,
    }
}
