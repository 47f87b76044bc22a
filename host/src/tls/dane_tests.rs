//! Certificates made here, judged by records made here.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

const HOST: &str = "mx.example.net";

struct Chain {
    own: CertificateDer<'static>,
    authority: CertificateDer<'static>,
}

fn chain(names: &[&str]) -> Chain {
    let mut ca = CertificateParams::new(Vec::new()).expect("no names");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("random numbers");
    let issuer = CertifiedIssuer::self_signed(ca, key).expect("a certificate");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().expect("random numbers");
    let own = CertificateParams::new(names)
        .expect("names")
        .signed_by(&key, &issuer)
        .expect("a certificate");
    Chain {
        own: own.der().clone(),
        authority: issuer.der().clone(),
    }
}

fn association(usage: Usage, of: &CertificateDer<'_>, selector: Selector) -> Association {
    let mut made = Association {
        usage,
        selector,
        matching: Matching::Exact,
        data: Vec::new(),
    };
    made.data = made.part(of).expect("it parses").to_vec();
    made
}

fn hashed(mut association: Association, matching: Matching) -> Association {
    association.data = match matching {
        Matching::Exact => association.data,
        Matching::Sha256 => Sha256::digest(&association.data).to_vec(),
        Matching::Sha512 => Sha512::digest(&association.data).to_vec(),
    };
    association.matching = matching;
    association
}

fn is_accepted(association: Association, own: &Chain, shown: &[CertificateDer<'_>]) -> bool {
    let verifier = Verifier {
        associations: vec![association],
        names: vec![HOST.to_owned()],
        holder: AnyCertificate(provider()),
    };
    let name = ServerName::try_from(HOST).expect("a name");
    let verified = verifier.verify_server_cert(&own.own, shown, &name, &[], UnixTime::now());
    verified.is_ok()
}

#[test]
fn an_end_entity_is_known_by_each_selector_and_matching() {
    let right = chain(&["other.example"]);
    let wrong = chain(&[HOST]);
    for selector in [Selector::Certificate, Selector::PublicKey] {
        for matching in [Matching::Exact, Matching::Sha256, Matching::Sha512] {
            let made = || {
                hashed(
                    association(Usage::EndEntity, &right.own, selector),
                    matching,
                )
            };
            assert!(
                is_accepted(made(), &right, &[]),
                "{selector:?} {matching:?}"
            );
            assert!(
                !is_accepted(made(), &wrong, &[]),
                "{selector:?} {matching:?}"
            );
        }
    }
}

#[test]
fn an_authority_vouches_for_the_hosts_name_alone() {
    let named = chain(&[HOST]);
    let misnamed = chain(&["other.example"]);
    for selector in [Selector::Certificate, Selector::PublicKey] {
        for chain in [&named, &misnamed] {
            let made = hashed(
                association(Usage::Authority, &chain.authority, selector),
                Matching::Sha256,
            );
            let shown = [chain.authority.clone()];
            let expected = std::ptr::eq(chain, &raw const named);
            assert_eq!(is_accepted(made, chain, &shown), expected, "{selector:?}");
        }
    }
}

#[test]
fn an_authority_that_is_not_shown_counts_only_where_the_record_holds_it() {
    let chain = chain(&[HOST]);
    let whole = association(Usage::Authority, &chain.authority, Selector::Certificate);
    assert!(is_accepted(whole.clone(), &chain, &[]));
    assert!(!is_accepted(hashed(whole, Matching::Sha256), &chain, &[]));
}

#[test]
fn an_authority_that_signed_nothing_here_vouches_for_nothing() {
    let (here, elsewhere) = (chain(&[HOST]), chain(&[HOST]));
    let made = association(
        Usage::Authority,
        &elsewhere.authority,
        Selector::Certificate,
    );
    let shown = [here.authority.clone(), elsewhere.authority.clone()];
    assert!(!is_accepted(made, &here, &shown));
}
