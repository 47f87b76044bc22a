//! Knows what domains promise of their mail exchangers (RFC 8461), as long as the promise holds.
//!
//! What was fetched is kept in the store: whoever cuts us off from a policy must not get the mail after a
//! restart either.

mod fetch;
mod policy;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::{RData, RecordType};
use parking_lot::Mutex;
use rustls::ClientConfig;

pub(super) use self::policy::Policy;
use super::dns::{Dns, Miss};
use crate::clock::Timestamp;
use crate::store::{Store, StsPolicy};

/// A policy is fetched again after a day, though its id stays (RFC 8461 §3.3).
const REFRESH: Duration = Duration::from_secs(86_400);
/// The wait after a fetch that failed (RFC 8461 §3.3): 5 minutes.
const FETCH_AGAIN: Duration = Duration::from_secs(300);
/// Domains that are remembered; beyond, all are read from the store again.
const MAX_DOMAINS: usize = 10_000;

/// What is known of the domains.
#[derive(Debug)]
pub(super) struct Promises {
    client: Option<Arc<ClientConfig>>,
    port: u16,
    known: Mutex<HashMap<String, Known>>,
}

/// What is known of one.
#[derive(Debug, Clone, Default)]
struct Known {
    held: Option<Held>,
    failed_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct Held {
    id: String,
    policy: Arc<Policy>,
    fetched_at: Timestamp,
    expires_at: Timestamp,
}

impl Known {
    /// The promise that holds at `now`.
    fn at(&self, now: Timestamp) -> Option<&Held> {
        self.held.as_ref().filter(|held| now < held.expires_at)
    }

    /// Whether the policy is to be fetched at `now`, when DNS has this id.
    fn is_stale(&self, id: &str, now: Timestamp) -> bool {
        let failed_lately = self.failed_at.is_some_and(|at| now < at + FETCH_AGAIN);
        let is_good = |held: &Held| held.id == id && now < held.fetched_at + REFRESH;
        !failed_lately && !self.at(now).is_some_and(is_good)
    }
}

impl Held {
    fn from_stored(stored: &StsPolicy) -> Option<Self> {
        Some(Self {
            id: stored.id.clone(),
            policy: Arc::new(Policy::parse(&stored.text).ok()?),
            fetched_at: stored.fetched_at,
            expires_at: stored.expires_at,
        })
    }
}

impl Promises {
    /// Nothing is known yet. Without a client, nothing can be fetched.
    pub fn new(client: Option<Arc<ClientConfig>>, port: u16) -> Self {
        Self {
            client,
            port,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// What a domain promises now, as far as anybody can know.
    pub async fn of(&self, domain: &str, dns: &Dns, store: &Store) -> Option<Arc<Policy>> {
        let now = Timestamp::now();
        let mut known = self.remembered(domain, store, now).await;
        if let Some(id) = published(dns, domain).await
            && known.is_stale(&id, now)
        {
            known = self.refreshed(domain, id, known, dns, store).await;
            self.remember(domain, known.clone());
        }
        let held = known.at(now)?;
        (held.policy.mode != policy::Mode::None).then(|| Arc::clone(&held.policy))
    }

    async fn remembered(&self, domain: &str, store: &Store, now: Timestamp) -> Known {
        if let Some(known) = self.known.lock().get(domain) {
            return known.clone();
        }
        let held = match store.sts_policy(domain, now).await {
            Ok(stored) => stored.as_ref().and_then(Held::from_stored),
            Err(error) => {
                tracing::warn!(%error, domain, "a kept MTA-STS policy cannot be read");
                return Known::default();
            }
        };
        let known = Known {
            held,
            failed_at: None,
        };
        self.remember(domain, known.clone());
        known
    }

    fn remember(&self, domain: &str, known: Known) {
        let mut all = self.known.lock();
        if all.len() >= MAX_DOMAINS {
            all.clear();
        }
        all.insert(domain.to_owned(), known);
    }

    /// With the policy as it is published, or a note that it cannot be had.
    async fn refreshed(
        &self,
        domain: &str,
        id: String,
        before: Known,
        dns: &Dns,
        store: &Store,
    ) -> Known {
        let now = Timestamp::now();
        let fetched = match self.fetched(domain, dns).await {
            Ok(fetched) => fetched,
            Err(error) => {
                let holds = before.at(now).is_some();
                tracing::warn!(domain, holds, "MTA-STS: {error}");
                return Known {
                    failed_at: Some(now),
                    ..before
                };
            }
        };
        let (text, policy) = fetched;
        let held = Held {
            id,
            fetched_at: now,
            expires_at: now + policy.max_age,
            policy: Arc::new(policy),
        };
        let kept = store.keep_sts_policy(StsPolicy {
            domain: domain.to_owned(),
            id: held.id.clone(),
            text,
            fetched_at: held.fetched_at,
            expires_at: held.expires_at,
        });
        if let Err(error) = kept.await {
            tracing::warn!(%error, domain, "an MTA-STS policy cannot be kept");
        }
        Known {
            held: Some(held),
            failed_at: None,
        }
    }

    async fn fetched(&self, domain: &str, dns: &Dns) -> Result<(String, Policy), String> {
        let none = || "there is no certificate authority to verify by; set delivery.ca-file";
        let client = self.client.clone().ok_or_else(none)?;
        let text = fetch::policy(dns, client, domain, self.port).await?;
        let policy = Policy::parse(&text).map_err(|error| error.to_string())?;
        Ok((text, policy))
    }
}

/// The id that DNS has for a domain's policy; none when there is none, or nobody knows: what is held counts then.
async fn published(dns: &Dns, domain: &str) -> Option<String> {
    let answer = match dns
        .lookup(&format!("_mta-sts.{domain}"), RecordType::TXT)
        .await
    {
        Ok(answer) => answer,
        Err(Miss::NoName | Miss::NoRecords) => return None,
        Err(Miss::Trouble(trouble)) => {
            tracing::debug!(domain, trouble, "no MTA-STS record can be looked up");
            return None;
        }
    };
    let texts: Vec<String> = answer
        .data()
        .filter_map(|data| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        })
        .collect();
    policy::published_id(texts.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(fetched_at: Timestamp, failed_at: Option<Timestamp>) -> Known {
        let text = "version: STSv1\nmode: enforce\nmx: a\nmax_age: 604800";
        let policy = Policy::parse(text).expect("valid");
        Known {
            held: Some(Held {
                id: "a".to_owned(),
                expires_at: fetched_at + policy.max_age,
                policy: Arc::new(policy),
                fetched_at,
            }),
            failed_at,
        }
    }

    #[test]
    fn a_policy_is_fetched_when_it_is_another_or_a_day_old() {
        let start = Timestamp::from_millis(0);
        let known = known(start, None);
        assert!(!known.is_stale("a", start + Duration::from_secs(3600)));
        assert!(known.is_stale("b", start + Duration::from_secs(3600)));
        assert!(known.is_stale("a", start + REFRESH));
        assert!(Known::default().is_stale("a", start));
    }

    #[test]
    fn a_failed_fetch_is_not_repeated_at_once_and_what_is_held_holds() {
        let start = Timestamp::from_millis(0);
        let day = start + REFRESH;
        let known = known(start, Some(day));
        assert!(!known.is_stale("b", day + Duration::from_secs(299)));
        assert!(known.is_stale("b", day + FETCH_AGAIN));
        assert!(known.at(day).is_some());
        assert!(known.at(start + Duration::from_secs(604_800)).is_none());
    }
}
