//! Promises of domains hold until they expire, across restarts.

use super::{Bench, contract};
use crate::clock::Timestamp;
use crate::store::StsPolicy;

contract!(a_newer_policy_takes_the_place_of_the_older_until_it_expires);

fn policy(id: &str, expires_at: Timestamp) -> StsPolicy {
    StsPolicy {
        domain: "example.net".to_owned(),
        id: id.to_owned(),
        text: "version: STSv1\n".to_owned(),
        fetched_at: Timestamp::from_millis(1),
        expires_at,
    }
}

async fn a_newer_policy_takes_the_place_of_the_older_until_it_expires(store: Bench) {
    let end = Timestamp::from_millis(1000);
    for id in ["a", "b"] {
        let kept = store.keep_sts_policy(policy(id, end)).await;
        kept.expect("the store works");
    }
    let at = async |millis| {
        let found = store
            .sts_policy("example.net", Timestamp::from_millis(millis))
            .await;
        found.expect("the store works")
    };
    assert_eq!(at(999).await, Some(policy("b", end)));
    assert_eq!(at(1000).await, None);
    let purged = store.purge(Timestamp::now()).await;
    purged.expect("the store works");
    assert_eq!(at(999).await, None);
}
