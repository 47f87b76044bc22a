//! What certificates say, and what is said about them.

use super::*;
use crate::cli::doctor::finding::Verdict::{self, Failed, Ok as Fine, Warning};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn leaf(self_signed: bool, days_left: i64) -> Leaf {
    let day = 86_400_000;
    Leaf {
        der: vec![1],
        names: vec!["mx.example.com".into()],
        issuer: "CN=somebody".into(),
        self_signed,
        not_before: Timestamp::from_millis(NOW.as_millis() - 100 * day),
        not_after: Timestamp::from_millis(NOW.as_millis() + days_left * day),
    }
}

fn facts(leaf: Leaf, chain: Result<(), ChainFault>, name_fits: bool) -> TlsFacts {
    TlsFacts {
        version: "TLS 1.3".into(),
        cipher: "AES".into(),
        leaf: Ok(leaf),
        chain,
        name_fits,
        is_own: false,
    }
}

#[test]
fn a_certificate_is_judged_as_a_client_would() {
    let unknown = || Err(ChainFault::UnknownIssuer);
    let cases: [(&str, TlsFacts, [Verdict; 3], &str); 6] = [
        (
            "good",
            facts(leaf(false, 60), Ok(()), true),
            [Fine, Fine, Fine],
            "",
        ),
        (
            "self-signed",
            facts(leaf(true, 60), unknown(), true),
            [Failed, Fine, Fine],
            "--ca-file",
        ),
        (
            "no intermediate",
            facts(leaf(false, 60), unknown(), true),
            [Failed, Fine, Fine],
            "fullchain.pem",
        ),
        (
            "another name",
            facts(leaf(false, 60), Ok(()), false),
            [Fine, Failed, Fine],
            "type mx.example.com as the server",
        ),
        (
            "soon over",
            facts(leaf(false, 13), Ok(()), true),
            [Fine, Fine, Warning],
            "renew",
        ),
        (
            "over",
            facts(leaf(false, -1), Err(ChainFault::Time), true),
            [Failed, Fine, Failed],
            "renew",
        ),
    ];
    for (case, facts, expected, fix) in cases {
        let found = judge("587", "relay.example.com", &facts, NOW);
        let results: Vec<_> = found.iter().map(|finding| finding.result).collect();
        assert_eq!(results, expected, "{case}");
        let fixes: String = found.iter().map(|finding| finding.fix.as_str()).collect();
        assert!(fixes.contains(fix), "{case}: {fixes}");
        assert!(
            found
                .iter()
                .all(|it| (it.result == Fine) == it.fix.is_empty()),
            "{case}"
        );
    }
}

#[test]
fn a_certificate_of_the_future_points_at_the_clocks() {
    let mut early = leaf(false, 60);
    early.not_before = Timestamp::from_millis(NOW.as_millis() + 1);
    let finding = expiry("587", &early, NOW);
    assert_eq!(finding.result, Failed);
    assert!(finding.fix.contains("clocks"));
}

#[test]
fn a_password_goes_to_a_proven_relay_alone() {
    let good = facts(leaf(false, 60), Ok(()), true);
    assert!(good.is_proven());
    let another_name = facts(leaf(false, 60), Ok(()), false);
    assert!(!another_name.is_proven());
    let mut unknown = facts(leaf(true, 60), Err(ChainFault::UnknownIssuer), true);
    assert!(!unknown.is_proven());
    unknown.is_own = true;
    assert!(unknown.is_proven());
}

#[test]
fn a_real_certificate_is_read() {
    let made = rcgen::generate_simple_self_signed(vec!["relay.example.com".to_owned()])
        .expect("a plain name");
    let chain = [made.cert.der().clone()];
    let leaf = read_leaf(&chain).expect("it is one");
    assert_eq!(leaf.names, ["relay.example.com"]);
    assert!(leaf.self_signed);
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).expect("usable");
    let name = |text| ServerName::try_from(text).expect("a name");
    let trust = |roots| Trust {
        name: name("relay.example.com"),
        roots: Ok(roots),
        own: Vec::new(),
    };
    assert_eq!(judge_chain(&chain, &trust(roots)), Ok(()));
    assert_eq!(
        judge_chain(&chain, &trust(RootCertStore::empty())),
        Err(ChainFault::UnknownIssuer)
    );
    assert!(fits_name(&chain, &name("relay.example.com")));
    assert!(!fits_name(&chain, &name("other.example.com")));
}
