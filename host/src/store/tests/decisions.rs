//! Decisions are kept with their message, found by what an administrator knows, and forgotten in time.

use std::sync::Arc;
use std::time::Duration;

use super::{Bench, RECEIVED, contract};
use crate::clock::Timestamp;
use crate::decision::{
    About, Chain, Decision, DecisionFilter, Findings, NewDecision, Outcome, Policy, Retention, Run,
    Stage, Step,
};
use crate::id::QueueId;
use crate::queue::Priority;

contract!(
    a_decision_is_kept_with_its_message_and_read_back_whole,
    a_message_that_is_not_accepted_leaves_no_decision,
    a_refused_message_has_its_decision_alone,
    decisions_are_found_by_what_an_administrator_knows,
    what_ran_in_shadow_stands_beside_what_counted,
    a_chain_is_kept_once_and_told_by_another_process,
    decisions_are_purged_by_age_and_by_number,
    recorded_requests_are_purged_by_age_and_by_size,
);

const ENDLESS: Retention = Retention {
    decisions_before: Timestamp::from_millis(0),
    max_decisions: u64::MAX,
    requests_before: Timestamp::from_millis(0),
    max_request_octets: u64::MAX,
};

fn chain(version: &str) -> Arc<Chain> {
    Arc::new(Chain::new(vec![Policy {
        name: "sender-rules".to_owned(),
        module: "builtin:sender-rules".to_owned(),
        version: version.to_owned(),
        sha256: "ab".repeat(32),
        mode: "enforce".to_owned(),
        settings: r#"{"unauthorized":"block"}"#.to_owned(),
    }]))
}

/// What was decided `minutes` after the epoch of these tests.
pub(super) fn decision(id: QueueId, minutes: u64, outcome: Outcome) -> Decision {
    let reply = (outcome != Outcome::Accepted).then(|| (550, "5.7.1 not authorized".to_owned()));
    Decision {
        about: About {
            id,
            at: RECEIVED + Duration::from_secs(60 * minutes),
            stage: Stage::Message,
            list_id: Some(7),
            username: "s7_1".to_owned(),
            session_id: "session".to_owned(),
            sender: Some("bounces@shop.example.com".to_owned()),
            from: "Info@shop.example.com".to_owned(),
            recipients: "ann@example.net ben@example.org".to_owned(),
            recipient_count: 2,
            header: None,
        },
        run: Run::Enforced,
        generation: 3,
        chain: chain("1.0.0"),
        outcome,
        priority: Priority::High,
        reply,
        steps: vec![Step {
            rule: "sender-rules/unauthorized-block".to_owned(),
            decision: "reject".to_owned(),
            fuel: 20_000,
            us: 31,
            failure: Some("bad-verdict".to_owned()),
            facts: vec![("x.address".to_owned(), "a\"b@example.com".to_owned())],
        }],
        effects: vec!["route to \"archive\"".to_owned()],
    }
}

pub(super) fn findings(decision: Decision, request: Option<&str>) -> Findings {
    let request = request.map(str::to_owned);
    Findings {
        alerts: Vec::new(),
        decision: Some(Box::new(NewDecision { decision, request })),
    }
}

async fn keep(bench: &Bench, decision: Decision) {
    let kept = bench.keep(findings(decision, None)).await;
    kept.expect("kept");
}

fn id(minutes: u64) -> QueueId {
    QueueId::first_at(RECEIVED + Duration::from_secs(60 * minutes))
}

async fn found(bench: &Bench, filter: DecisionFilter) -> Vec<QueueId> {
    let found = bench.decisions(&filter).await.expect("readable");
    found.iter().map(|decision| decision.about.id).collect()
}

async fn a_decision_is_kept_with_its_message_and_read_back_whole(bench: Bench) {
    let message = bench.new_message(&["ann@example.net"]);
    let expected = decision(message.id, 0, Outcome::Accepted);
    let findings = findings(expected.clone(), Some("{\"stage\":\"message\"}"));
    let accepted = bench.accept(Arc::new(message), findings).await;
    accepted.expect("accepted");
    let read = bench.decisions_about(expected.about.id).await;
    assert_eq!(read.expect("readable"), std::slice::from_ref(&expected));
    let request = bench.recorded_request(expected.about.id).await;
    assert_eq!(
        request.expect("readable").as_deref(),
        Some("{\"stage\":\"message\"}")
    );
}

async fn a_message_that_is_not_accepted_leaves_no_decision(bench: Bench) {
    let message = Arc::new(bench.new_message(&["ann@example.net"]));
    bench
        .accept(Arc::clone(&message), Vec::new())
        .await
        .expect("accepted");
    let again = findings(decision(message.id, 0, Outcome::Accepted), None);
    bench
        .accept(message, again)
        .await
        .expect_err("the id is taken");
    assert!(found(&bench, DecisionFilter::default()).await.is_empty());
}

async fn a_refused_message_has_its_decision_alone(bench: Bench) {
    let mut refused = decision(id(0), 0, Outcome::Rejected);
    refused.about.sender = None;
    refused.about.stage = Stage::Sender;
    keep(&bench, refused.clone()).await;
    let read = bench.decisions_about(refused.about.id).await;
    assert_eq!(read.expect("readable"), std::slice::from_ref(&refused));
    assert!(
        bench
            .message(refused.about.id)
            .await
            .expect("readable")
            .is_none()
    );
    let request = bench.recorded_request(refused.about.id).await;
    assert_eq!(request.expect("readable"), None);
}

async fn decisions_are_found_by_what_an_administrator_knows(bench: Bench) {
    let accepted = decision(id(0), 0, Outcome::Accepted);
    let mut refused = decision(id(1), 1, Outcome::Rejected);
    refused.about.username = "s8_1".to_owned();
    refused.about.list_id = Some(8);
    refused.about.sender = Some("x%y@other.example".to_owned());
    refused.about.recipients = "carl@example.org".to_owned();
    refused.steps[0].rule = "hours/closed".to_owned();
    for one in [&accepted, &refused] {
        keep(&bench, one.clone()).await;
    }
    let all = DecisionFilter::default;
    let cases = [
        (all(), vec![id(1), id(0)]),
        (DecisionFilter { limit: 1, ..all() }, vec![id(1)]),
        (
            DecisionFilter {
                list: Some(7),
                ..all()
            },
            vec![id(0)],
        ),
        (
            DecisionFilter {
                user: Some("S8_1".to_owned()),
                ..all()
            },
            vec![id(1)],
        ),
        (
            DecisionFilter {
                sender: Some("X%Y@other".to_owned()),
                ..all()
            },
            vec![id(1)],
        ),
        (
            DecisionFilter {
                sender: Some("info@shop".to_owned()),
                ..all()
            },
            vec![id(1), id(0)],
        ),
        (
            DecisionFilter {
                sender: Some("x_y@other".to_owned()),
                ..all()
            },
            vec![],
        ),
        (
            DecisionFilter {
                recipient: Some("BEN@example.org".to_owned()),
                ..all()
            },
            vec![id(0)],
        ),
        (
            DecisionFilter {
                rule: Some("closed".to_owned()),
                ..all()
            },
            vec![id(1)],
        ),
        (
            DecisionFilter {
                rule: Some("hours/closed".to_owned()),
                ..all()
            },
            vec![id(1)],
        ),
        (
            DecisionFilter {
                rule: Some("lose".to_owned()),
                ..all()
            },
            vec![],
        ),
        (
            DecisionFilter {
                refused_only: true,
                ..all()
            },
            vec![id(1)],
        ),
        (
            DecisionFilter {
                outcome: Some(Outcome::Accepted),
                ..all()
            },
            vec![id(0)],
        ),
        (
            DecisionFilter {
                since: Some(RECEIVED + Duration::from_secs(60)),
                ..all()
            },
            vec![id(1)],
        ),
        (
            DecisionFilter {
                until: Some(RECEIVED + Duration::from_secs(60)),
                ..all()
            },
            vec![id(0)],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&bench, filter.clone()).await, expected, "{filter:?}");
    }
}

async fn what_ran_in_shadow_stands_beside_what_counted(bench: Bench) {
    let counted = decision(id(0), 0, Outcome::Accepted);
    let mut shadow = decision(id(0), 0, Outcome::Rejected);
    shadow.run = Run::Shadow;
    for one in [&counted, &shadow] {
        keep(&bench, one.clone()).await;
    }
    keep(&bench, decision(id(1), 1, Outcome::Accepted)).await;
    let read = bench.decisions_about(id(0)).await;
    let pair = [counted, shadow];
    assert_eq!(read.expect("readable"), pair);
    let filter = DecisionFilter::default();
    let beside = bench.decisions_beside_shadows(&filter, None).await;
    assert_eq!(beside.expect("readable"), pair);
    let later = bench.decisions_beside_shadows(&filter, Some(id(0))).await;
    assert_eq!(later.expect("readable"), []);
}

async fn a_chain_is_kept_once_and_told_by_another_process(bench: Bench) {
    for minutes in 0..3 {
        keep(&bench, decision(id(minutes), minutes, Outcome::Accepted)).await;
    }
    let other = bench.another().await;
    let mut newer = decision(id(3), 3, Outcome::Accepted);
    newer.chain = chain("2.0.0");
    other.keep(findings(newer, None)).await.expect("kept");
    let known = decision(id(4), 4, Outcome::Accepted);
    other.keep(findings(known, None)).await.expect("kept");
    let read = bench
        .decisions(&DecisionFilter::default())
        .await
        .expect("readable");
    let versions: Vec<_> = read
        .iter()
        .map(|decision| decision.chain.policies()[0].version.as_str())
        .collect();
    assert_eq!(versions, ["1.0.0", "2.0.0", "1.0.0", "1.0.0", "1.0.0"]);
    other.close().await;
}

async fn decisions_are_purged_by_age_and_by_number(bench: Bench) {
    for minutes in 0..600 {
        keep(&bench, decision(id(minutes), minutes, Outcome::Accepted)).await;
    }
    assert_eq!(bench.purge_decisions(ENDLESS).await.expect("purged"), 0);
    let by_age = Retention {
        decisions_before: RECEIVED + Duration::from_secs(60 * 300),
        ..ENDLESS
    };
    assert_eq!(bench.purge_decisions(by_age).await.expect("purged"), 300);
    let by_number = Retention {
        max_decisions: 20,
        ..ENDLESS
    };
    assert_eq!(bench.purge_decisions(by_number).await.expect("purged"), 280);
    let kept = found(&bench, DecisionFilter::default()).await;
    assert_eq!((kept.len(), kept[19]), (20, id(580)));
    keep(&bench, decision(id(600), 600, Outcome::Accepted)).await;
    assert_eq!(bench.purge_decisions(by_number).await.expect("purged"), 1);
}

async fn recorded_requests_are_purged_by_age_and_by_size(bench: Bench) {
    let request = "x".repeat(1000);
    for minutes in 0..600 {
        let findings = findings(
            decision(id(minutes), minutes, Outcome::Accepted),
            Some(&request),
        );
        bench.keep(findings).await.expect("kept");
    }
    let by_age = Retention {
        requests_before: RECEIVED + Duration::from_secs(60 * 300),
        ..ENDLESS
    };
    assert_eq!(bench.purge_decisions(by_age).await.expect("purged"), 300);
    let by_size = Retention {
        max_request_octets: 10_500,
        ..ENDLESS
    };
    assert_eq!(bench.purge_decisions(by_size).await.expect("purged"), 290);
    let gone = bench.recorded_request(id(589)).await.expect("readable");
    assert_eq!(gone, None);
    let kept = bench.recorded_request(id(590)).await.expect("readable");
    assert_eq!(kept.as_deref(), Some(request.as_str()));
    // What was decided is still known.
    let all = DecisionFilter {
        limit: 1000,
        ..DecisionFilter::default()
    };
    assert_eq!(found(&bench, all).await.len(), 600);
}
