//! What is signed is verified by the library's own verifier; `tests/it/dkim.rs` has a foreign one.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::{Duration, Instant};

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::{
    AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt,
};
use parking_lot::Mutex;

use super::*;
use crate::dkim::{Algorithm, KeyConfig, Record, scratch};

/// A configuration with these keys, and the records that publish them.
struct Bench {
    config: Config,
    zone: Zone,
}

#[derive(Default)]
struct Zone(Mutex<HashMap<Box<str>, Txt>>);

impl ResolverCache<Box<str>, Txt> for Zone {
    fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.lock().get(name).cloned()
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.lock().remove(name)
    }

    fn insert(&self, key: Box<str>, value: Txt, _until: Instant) {
        self.0.lock().insert(key, value);
    }
}

impl Bench {
    fn new(keys: &[(&str, &str, Algorithm)]) -> Self {
        let (folder, zone) = (scratch(), Zone::default());
        let keys = keys.iter().map(|&(domain, selector, algorithm)| {
            let path = folder.join(format!("{domain}.{selector}.pem"));
            std::fs::write(&path, PrivateKey::make(algorithm).expect("made")).expect("writable");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("ours");
            let record = Record::new(selector, domain, &PrivateKey::read(&path).expect("a key"));
            let parsed = DomainKey::parse(record.text.as_bytes()).expect("a record");
            let until = Instant::now() + Duration::from_secs(3600);
            zone.insert(format!("{}.", record.name).into(), parsed.into(), until);
            KeyConfig {
                domain: domain.to_owned(),
                selector: selector.to_owned(),
                private_key: path,
            }
        });
        Self {
            config: Config {
                key: keys.collect(),
                ..Config::default()
            },
            zone,
        }
    }

    fn signer(&self) -> Signer {
        Signer::new(Keys::read(&self.config).expect("keys that can be used"))
    }

    /// The message with its signatures ahead, handed over in pieces of this many octets.
    fn signed(&self, message: &[u8], piece: usize) -> Option<Vec<u8>> {
        let signatures = self.signer().signatures(message)?;
        let mut signing = signatures.begin();
        message.chunks(piece).for_each(|part| signing.write(part));
        let mut signed = signing.finish().expect("it signs");
        signed.extend_from_slice(message);
        Some(signed)
    }

    /// `pass` or why not, for each signature.
    async fn verified(&self, message: &[u8]) -> Vec<String> {
        let authenticator = MessageAuthenticator::new_cloudflare().expect("nobody is asked");
        let parsed = AuthenticatedMessage::parse(message).expect("a message");
        let parameters = Parameters::new(&parsed).with_txt_cache(&self.zone);
        let outputs = authenticator.verify_dkim(parameters).await;
        let outputs = outputs.iter().map(|output| match output.result() {
            DkimResult::Pass => "pass".to_owned(),
            other => format!("{other:?}"),
        });
        outputs.collect()
    }
}

const BOTH: [(&str, &str, Algorithm); 2] = [
    ("example.com", "r1", Algorithm::Rsa),
    ("example.com", "e1", Algorithm::Ed25519),
];
const MESSAGE: &str = "Received: from x\r\n\tby y; Thu, 1 Jan 1970 00:00:00 +0000\r\n\
    From: Anna  <anna@Example.com>\r\nTo: bob@b.example,\r\n  eve@b.example\r\n\
    Subject: Hello \t world\r\n\r\nOne  line \t\r\n.two\r\n\r\n\r\n";

fn field<'a>(message: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    let section = HeaderSection::parse(message).expect("a header");
    let named = section.fields().filter(|field| field.name() == name);
    named.map(|field| field.raw_value()).collect()
}

#[tokio::test]
async fn every_key_of_the_domain_signs_and_each_signature_is_good() {
    let bench = Bench::new(&BOTH);
    for piece in [1, 7, 1000] {
        let signed = bench.signed(MESSAGE.as_bytes(), piece).expect("keys");
        assert_eq!(bench.verified(&signed).await, ["pass", "pass"]);
        let fields = field(&signed, "DKIM-Signature");
        let text: Vec<_> = fields.iter().map(|f| String::from_utf8_lossy(f)).collect();
        assert!(text[0].contains("a=rsa-sha256; s=r1; d=example.com;"));
        assert!(text[1].contains("a=ed25519-sha256; s=e1; d=example.com;"));
        assert!(text.iter().all(|one| one.contains("c=relaxed/relaxed")));
        assert!(text.iter().all(|one| !one.contains(" l=")));
    }
}

#[tokio::test]
async fn what_is_changed_on_the_way_is_found_and_white_space_is_forgiven() {
    let bench = Bench::new(&BOTH[..1]);
    let signed = bench.signed(MESSAGE.as_bytes(), 100).expect("a key");
    let signed = String::from_utf8(signed).expect("text");
    let harmless = signed
        .replace("Hello \t world", "Hello   world")
        .replace("One  line \t\r\n", "One line\r\n")
        .replace("\r\nSubject:", "\r\nSUBJECT:");
    assert_eq!(bench.verified(harmless.as_bytes()).await, ["pass"]);
    let added = |line: &str| signed.replace("\r\nTo: ", &format!("\r\n{line}\r\nTo: "));
    for changed in [
        signed.replace("One  line", "Two  lines"),
        signed.replace("Hello", "Goodbye"),
        added("From: eve@evil.example"),
        added("Subject: another"),
        added("Reply-To: eve@evil.example"),
        added("Content-Type: text/html"),
    ] {
        assert_ne!(
            bench.verified(changed.as_bytes()).await,
            ["pass"],
            "{changed}"
        );
    }
    let listed = added("List-ID: <a.example.com>");
    assert_eq!(bench.verified(listed.as_bytes()).await, ["pass"]);
}

#[tokio::test]
async fn odd_messages_are_signed_as_they_are() {
    let bench = Bench::new(&BOTH);
    for message in [
        "From: a@example.com\r\n\r\n",
        "From: a@example.com\r\n\r\n\r\n\r\n",
        "From: a@example.com\r\n\r\nno line end",
        "From: a@example.com\r\n\r\n \r\n\t\r\nx \r\n \r\n",
        "From: a@example.com\r\nSubject:\r\n\r\nx\r\n",
        "From: Gr\u{fc}\u{df}e <a@example.com>\r\nSubject: \u{20ac}\r\n\r\n\u{20ac}\r\n",
        "From: a@example.com\r\nTo: x@y\r\nTo: z@y\r\nSubject: 1\r\nSubject: 2\r\n\r\nx\r\n",
    ] {
        let signed = bench.signed(message.as_bytes(), 3).expect("keys");
        assert_eq!(
            bench.verified(&signed).await,
            ["pass", "pass"],
            "{message:?}"
        );
    }
}

#[test]
fn the_domain_is_the_authors_the_nearest_above_it_or_the_default() {
    let keys = [
        ("example.com", "s", Algorithm::Ed25519),
        ("b\u{fc}cher.example", "s", Algorithm::Ed25519),
        ("news.example.com", "s", Algorithm::Ed25519),
    ];
    let mut bench = Bench::new(&keys);
    let signed_by = |bench: &Bench, from: &str| {
        let message = format!("From: {from}\r\n\r\nx\r\n");
        let signed = bench.signed(message.as_bytes(), 99)?;
        let text = String::from_utf8_lossy(field(&signed, "DKIM-Signature")[0]).into_owned();
        let domain = text.split("d=").nth(1)?.split(';').next()?;
        Some(domain.to_owned())
    };
    let cases = [
        ("a@example.com", Some("example.com")),
        ("a@EXAMPLE.com", Some("example.com")),
        ("a@x.y.example.com", Some("example.com")),
        ("a@news.example.com", Some("news.example.com")),
        ("a@b.news.example.com", Some("news.example.com")),
        ("a@b\u{fc}cher.example", Some("xn--bcher-kva.example")),
        ("a@xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ("a@notexample.com", None),
        ("a@com", None),
        ("nobody", None),
        ("a@example.com, b@other.example", Some("example.com")),
        ("b@other.example, a@example.com", None),
    ];
    for (from, expected) in cases {
        assert_eq!(signed_by(&bench, from).as_deref(), expected, "{from}");
    }
    bench.config.default_domain = Some("example.com".to_owned());
    for from in ["a@notexample.com", "nobody"] {
        assert_eq!(
            signed_by(&bench, from).as_deref(),
            Some("example.com"),
            "{from}"
        );
    }
}

#[test]
fn keys_that_contradict_each_other_are_found() {
    let bench = Bench::new(&BOTH[..1]);
    let changed = |change: &dyn Fn(&mut Config)| {
        let mut config = bench.config.clone();
        change(&mut config);
        Keys::read(&config)
            .expect_err("it cannot be used")
            .to_string()
    };
    let twice = changed(&|config| {
        let mut again = config.key[0].clone();
        again.domain = "EXAMPLE.com.".to_owned();
        config.key.push(again);
    });
    assert!(twice.contains("two keys"), "{twice}");
    let lost = changed(&|config| config.default_domain = Some("other.example".to_owned()));
    assert!(lost.contains("there is no key"), "{lost}");
    let domain = changed(&|config| config.key[0].domain = "a b".to_owned());
    assert!(domain.contains("no domain"), "{domain}");
    for bad in ["", "a b", "a..b", "a_b", "\u{fc}"] {
        let selector = changed(&|config| config.key[0].selector = bad.to_owned());
        assert!(selector.contains("selector"), "{selector}");
    }
    let gone = changed(&|config| config.key[0].private_key = "/nowhere/key".into());
    assert!(gone.contains("/nowhere/key"), "{gone}");
}

#[test]
fn other_keys_sign_from_the_next_message_on() {
    let (old, new) = (Bench::new(&BOTH[..1]), Bench::new(&BOTH[1..]));
    let signer = old.signer();
    let clone = signer.clone();
    signer.replace(Keys::read(&new.config).expect("keys"));
    let signatures = clone.signatures(MESSAGE.as_bytes()).expect("keys");
    let mut signing = signatures.begin();
    signing.write(MESSAGE.as_bytes());
    let fields = String::from_utf8(signing.finish().expect("it signs")).expect("text");
    assert!(
        fields.contains("s=e1;") && !fields.contains("s=r1;"),
        "{fields}"
    );
    signer.replace(Keys::default());
    assert!(clone.signatures(MESSAGE.as_bytes()).is_none());
}
