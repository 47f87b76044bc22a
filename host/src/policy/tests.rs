//! The room as a whole, against the shipped policy.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn address(full: &str) -> types::Address {
    let (local, domain) = full.rsplit_once('@').expect("an address");
    types::Address {
        full: full.to_owned(),
        local_part: local.to_owned(),
        domain: domain.to_owned(),
    }
}

fn session() -> Arc<types::Session> {
    Arc::new(types::Session {
        id: "s".into(),
        identity: types::Identity {
            username: "u".into(),
            authorized_domains: vec!["example.com".into()],
            authorized_senders: vec![],
            default_priority: types::Priority::Normal,
            facts: vec![],
        },
        client_ip: "192.0.2.1".into(),
        helo: "h".into(),
        tls: None,
        received_at_ms: 0,
        facts: vec![],
    })
}

fn envelope() -> types::Envelope {
    types::Envelope {
        mail_from: Some(address("a@example.com")),
        recipients: vec![address("b@example.net")],
    }
}

fn message() -> types::Message {
    types::Message {
        size_bytes: 100,
        header_from: vec![address("a@example.com")],
        header_sender: vec![],
        originators: types::Originators::Complete,
        subject: "s".into(),
        requested_priority: None,
        headers: vec![],
        truncated: false,
        facts: vec![],
    }
}

#[tokio::test]
async fn smoke() {
    let set = PolicySet::load(&Config::default(), &repository())
        .await
        .expect("loads");
    println!("{set:?}");
    let r = set.evaluate(session(), envelope(), message()).await;
    println!("{r:?}");
    panic!("look");
}
