//! A policy in shadow sees the mail of the day and changes nothing of it.

use std::path::Path;

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

fn shadow(behaviour: &str) -> String {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/built/hostile.wasm");
    format!(
        "\n[[policy.chain]]\nname = \"candidate\"\nmodule = {:?}\nmode = \"shadow\"\n\
         settings = {{ behaviour = \"{behaviour}\" }}\n",
        module.display().to_string()
    )
}

/// What was decided in shadow, once it is there.
fn shadows(relay: &Relay, count: usize) -> Vec<Value> {
    wait::until_some("what ran in shadow is kept", wait::PATIENCE, || {
        let decisions = relay.json(&["policy", "decisions"]);
        let decisions = decisions.as_array().expect("a list").iter();
        let found = decisions.filter(|one| one["run"] == "shadow").cloned();
        let found: Vec<Value> = found.collect();
        (found.len() == count).then_some(found)
    })
}

#[test]
fn what_a_policy_in_shadow_would_have_decided_is_kept_and_not_done() {
    let relay = Relay::start(&Setup::maildir().with(&shadow("reject")));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    let content = message::short(FROM, TO, &message::id("shadow", 1));
    let reply = client.submit(FROM, &[TO], &content, "250 2.0.0 queued as ");
    let id = reply.queue_id().expect("a queue id").to_owned();
    let shadows = shadows(&relay, 1);
    assert_eq!(shadows[0]["id"], id, "{shadows:?}");
    assert_eq!(shadows[0]["outcome"], "rejected", "{shadows:?}");
    assert!(relay.alerts("shop").is_empty());
}

#[test]
fn a_policy_that_never_ends_delays_nobody_in_shadow() {
    let relay = Relay::start(&Setup::maildir().with(&shadow("loop")));
    let user = relay.add_shop_user(&[]);
    let mut client = relay.login(&user);
    for number in 0..10 {
        let content = message::short(FROM, TO, &message::id("loop", number));
        client.submit(FROM, &[TO], &content, "250");
    }
    let shadows = shadows(&relay, 10);
    assert!(shadows.iter().all(|one| one["outcome"] == "deferred"));
    assert!(relay.alerts("shop").is_empty());
}
