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

/// The rules in shadow, as a candidate that blocks what is let pass with an alert.
const STRICT: &str = "\n[[policy.chain]]\nname = \"strict\"\nmodule = \"builtin:sender-rules\"\n\
     mode = \"shadow\"\nsettings = { unauthorized = \"block\" }\n";

#[test]
fn a_diff_tells_whom_a_policy_in_shadow_would_have_refused() {
    let mut setup = Setup::maildir().with(STRICT).with(&shadow("reject"));
    setup.unauthorized = "alert";
    let relay = Relay::start(&setup);
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
    let mut client = relay.login(&user);
    for (number, from) in [FROM, FROM, FROM, "bob@elsewhere.example"]
        .iter()
        .enumerate()
    {
        let content = message::short(from, TO, &message::id("diff", number as u64));
        client.submit(FROM, &[TO], &content, "250");
    }
    shadows(&relay, 8);
    let report = |more: &[&str]| relay.json(&[&["policy", "diff", "--shadow"], more].concat());
    for arguments in [&["strict"][..], &["strict", "--instead-of", "sender-rules"]] {
        let strict = report(arguments);
        assert_eq!(strict["records"], 4, "{strict}");
        assert_eq!(strict["changes"]["newly_refused"], 1, "{strict}");
        assert_eq!(strict["unchanged"], 3, "{strict}");
        let group = &strict["groups"][0];
        assert_eq!(group["users"][0]["user"], *user.username, "{group}");
        assert_eq!(group["users"][0]["list"], "shop", "{group}");
        let senders = &group["users"][0]["senders"];
        assert_eq!(senders["bob@elsewhere.example"], 1, "{group}");
    }
    assert_eq!(report(&["candidate"])["changes"]["newly_refused"], 4);
    let text = relay.cli(&["policy", "diff", "--shadow", "strict", "--max-changed", "0"]);
    assert_eq!(text.code, Some(1), "{text:?}");
    for words in ["NEWLY REFUSED", "550 5.7.1 ", "strict/unauthorized-block"] {
        assert!(text.stdout.contains(words), "{words}: {text:?}");
    }
    let unknown = relay.cli(&["policy", "diff", "--shadow", "nobody"]);
    assert!(
        unknown.stderr.contains("has decided in shadow"),
        "{unknown:?}"
    );
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
