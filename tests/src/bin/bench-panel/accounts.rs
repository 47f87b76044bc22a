//! Lists, users, people of the panel, tokens and alerts of the store that is measured.

use std::time::Duration;

use gatepost::accounts::{Allowance, PolicySettings};
use gatepost::alert::{About, Kind, NewAlert, Severity};
use gatepost::clock::Timestamp;
use gatepost::operators::{NewApiToken, NewOperator, Role, Scope, Token};
use gatepost::queue::{Priority, Stop, StopScope};
use gatepost::secret::Secret;
use gatepost::store::{NewUser, Store};
use tokio::task::JoinSet;

use super::made::{FEW_USERS, LARGE_LIST, LISTS, MANY_USERS, Made};

/// Users on their way into the store at a time.
const CALLERS: usize = 200;
/// Alerts of the large list, of every other, and of the relay as a whole.
const MANY_ALERTS: usize = 20_000;
const FEW_ALERTS: usize = 20;
const RELAY_ALERTS: usize = 2000;
/// Alerts raised at a time: more would be merged.
const TOGETHER: usize = 500;
/// List managers, and lists of each.
const MANAGERS: usize = 100;
const LISTS_OF_MANAGER: i64 = 20;
/// Tokens of programs.
const TOKENS: usize = 200;

/// Fills in everything but messages.
pub async fn fill(store: &Store, made: &Made) -> anyhow::Result<()> {
    for number in 1..=LISTS {
        store.create_list(&format!("Shop {number}")).await?;
    }
    users(store).await?;
    people(store).await?;
    alerts(store, made).await?;
    // What waits is to wait until it was measured.
    let stop = Stop {
        scope: StopScope::All,
        at: Timestamp::now(),
        by: "bench".to_owned(),
        reason: "nothing of this is to leave".to_owned(),
    };
    store.stop(stop).await?;
    Ok(())
}

async fn users(store: &Store) -> anyhow::Result<()> {
    let mut lists: Vec<i64> = vec![LARGE_LIST; MANY_USERS];
    for list in 2..=LISTS as i64 {
        lists.extend([list; FEW_USERS]);
    }
    for some in lists.chunks(CALLERS) {
        let mut callers = JoinSet::new();
        for list in some.iter().copied() {
            let store = store.clone();
            callers.spawn(async move { store.create_user(user(list)).await });
        }
        while let Some(made) = callers.join_next().await {
            made??;
        }
    }
    Ok(())
}

fn user(list: i64) -> NewUser {
    let domains: Vec<String> = (0..5)
        .map(|number| format!("brand{number}.shop{list}.example.com"))
        .collect();
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IGhlcmU$\
         YSBoYXNoIHRoYXQgbm9ib2R5J3MgcGFzc3dvcmQgaGFz";
    NewUser {
        list_id: list,
        password_hash: Secret::new(hash.to_owned()),
        scram_verifier: None,
        priority: Priority::Normal,
        note: format!("The till of shop {list}, made by the bench"),
        active: true,
        authorized_domains: domains.join(";"),
        authorized_senders: format!("office@shop{list}.example.org"),
        policy_settings: PolicySettings::default(),
        messages_per_hour: Allowance::Default,
        messages_per_day: Allowance::Default,
        urgent_per_hour: Allowance::Default,
        urgent_per_day: Allowance::Default,
    }
}

async fn people(store: &Store) -> anyhow::Result<()> {
    let person = |name: String, role, lists| NewOperator { name, role, lists };
    let operator = person("First".to_owned(), Role::Operator, Vec::new());
    let operator = store.create_operator(operator).await?;
    let all = (1..=LISTS as i64).collect();
    let of_all = person("Manager of all".to_owned(), Role::ListManager, all);
    store.create_operator(of_all).await?;
    for number in 0..MANAGERS as i64 {
        let first = number * 7 % (LISTS as i64 - LISTS_OF_MANAGER) + 1;
        let lists = (first..first + LISTS_OF_MANAGER).collect();
        let manager = person(format!("Manager {number}"), Role::ListManager, lists);
        store.create_operator(manager).await?;
    }
    for number in 0..TOKENS {
        let lists = (number % 2 == 0).then(|| (1..=LISTS_OF_MANAGER).collect());
        let token = NewApiToken {
            name: format!("Till {number}"),
            owner: operator.id,
            scopes: vec![Scope::Read, Scope::Send],
            lists,
            digest: Token::generate().digest(),
        };
        store.create_api_token(token).await?;
    }
    Ok(())
}

async fn alerts(store: &Store, made: &Made) -> anyhow::Result<()> {
    let mut alerts = Vec::new();
    for number in 0..RELAY_ALERTS {
        alerts.push(alert(made, None, number, Kind::SignInFailures));
    }
    for list in 1..=LISTS as i64 {
        let count = if list == LARGE_LIST {
            MANY_ALERTS
        } else {
            FEW_ALERTS
        };
        for number in 0..count {
            let kind = match number % 100 {
                7 => Kind::PolicyFailure,
                8..40 => Kind::DeliveryFailed,
                _ => Kind::SenderNotAuthorized,
            };
            alerts.push(alert(made, Some(list), number, kind));
        }
    }
    while !alerts.is_empty() {
        let rest = alerts.split_off(TOGETHER.min(alerts.len()));
        store.raise(std::mem::replace(&mut alerts, rest)).await?;
    }
    Ok(())
}

fn alert(made: &Made, list: Option<i64>, number: usize, kind: Kind) -> NewAlert {
    let user = list.map_or_else(String::new, |list| format!("s{list}_{}", number % 2 + 1));
    let summary = format!("user {user} sent as sender{number}@elsewhere.example.net");
    let about = About {
        message: Some(made.any(number).id),
        sender: format!("sender{number}@elsewhere.example.net"),
        rule: "sender-rules/unauthorized-block".to_owned(),
    };
    // As old as alerts are kept, and a little less.
    let age = Duration::from_secs(number as u64 * 1000 % (28 * 86_400));
    NewAlert::new(kind, Severity::Warning, summary, made.end() - age)
        .of(list, &user)
        .keyed(number.to_string())
        .about(about)
}
