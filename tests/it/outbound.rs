//! The way out: real names from a real DNS, real certificates, and what may not be sent in plain text.
//!
//! Exchangers live on addresses of loopback, all on one port, in a DNS whose root is signed here.

use std::sync::atomic::{AtomicU64, Ordering};

use gatepost_tests::authority::{Authority, Issued};
use gatepost_tests::knot::Knot;
use gatepost_tests::message;
use gatepost_tests::policy_host::PolicyHost;
use gatepost_tests::postfix::Postfix;
use gatepost_tests::relay::{Delivery, Relay, Setup, User, free_port};
use gatepost_tests::sink::{Script, Sink, StartTls};
use gatepost_tests::wait;
use serde_json::Value;

const FROM: &str = "orders@example.com";

/// No two messages have one id.
static SUBMITTED: AtomicU64 = AtomicU64::new(0);

/// A relay that delivers by mail exchangers, and its user.
struct Out {
    relay: Relay,
    user: User,
}

/// What a test needs from outside; without it, it is not run, except under CI, where that is a failure.
fn needed<T>(started: anyhow::Result<T>) -> Option<T> {
    match started {
        Ok(started) => Some(started),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("not run: {error:#}");
            None
        }
        Err(error) => panic!("{error:#}"),
    }
}

/// With these keys of `[delivery]`; the exchangers listen on `port`.
fn setup(port: u16, keys: &str) -> Setup {
    let mut setup = Setup::maildir().retrying_soon();
    setup.delivery = Delivery::Mx(port);
    // Each message has a connection of its own.
    setup.delivering("idle-keep-s = 0\n").delivering(keys)
}

impl Out {
    fn start(setup: &Setup) -> Self {
        let relay = Relay::start(setup);
        let user = relay.add_shop_user(&[]);
        Self { relay, user }
    }

    /// Submits a message; returns its id for the sink and its queue id.
    fn submit(&self, to: &str) -> (String, String) {
        self.submit_with("", to)
    }

    fn submit_with(&self, parameters: &str, to: &str) -> (String, String) {
        let number = SUBMITTED.fetch_add(1, Ordering::Relaxed);
        let id = message::id("outbound", number);
        let content = message::short(FROM, to, &id);
        let mut client = self.relay.connect();
        client.ehlo();
        client.starttls();
        client.login(&self.user.username, &self.user.password);
        client.say(&format!("MAIL FROM:<{FROM}>{parameters}"), "250");
        client.say(&format!("RCPT TO:<{to}>"), "250");
        client.say("DATA", "354");
        let reply = client.send(format!("{content}.\r\n").as_bytes(), "250");
        (id, reply.queue_id().expect("a queue id").to_owned())
    }

    /// The attempts of a message, when there is one at least.
    fn attempts(&self, queue_id: &str) -> Vec<Value> {
        wait::until_some("an attempt was made", wait::PATIENCE, || {
            let shown = self.relay.json(&["queue", "show", queue_id]);
            let attempts = shown["recipients"][0]["attempts"].as_array().cloned();
            attempts.filter(|attempts| !attempts.is_empty())
        })
    }

    /// What the first attempt of a new message came to: `outcome reply`.
    fn outcome(&self, to: &str) -> String {
        let (_, queue_id) = self.submit(to);
        told(&self.attempts(&queue_id)[0])
    }

    /// The first attempt of a message to this domain begins so: `outcome reply`.
    #[track_caller]
    fn comes_to(&self, domain: &str, words: &str) {
        let outcome = self.outcome(&format!("a@{domain}"));
        assert!(outcome.starts_with(words), "{domain}: {outcome}");
    }

    /// A message to this domain is delivered over a connection that is protected so.
    #[track_caller]
    fn delivers_protected(&self, domain: &str, tls: &str) {
        let (_, queue_id) = self.submit(&format!("a@{domain}"));
        assert_eq!(self.tls(&queue_id), tls, "{domain}");
    }

    /// How the connection of the attempt that delivered was protected.
    fn tls(&self, queue_id: &str) -> String {
        wait::until_some("it is delivered", wait::PATIENCE, || {
            let attempts = self.attempts(queue_id);
            let delivered = attempts.iter().find(|one| one["outcome"] == "delivered");
            delivered.map(|one| text(&one["tls"]))
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn told(attempt: &Value) -> String {
    format!("{} {}", text(&attempt["outcome"]), text(&attempt["reply"]))
}

fn sink_at(address: &str, port: u16, script: Script) -> Sink {
    let ip = address.parse().expect("an address");
    Sink::start_on(std::net::SocketAddr::new(ip, port), script).expect("the port is free")
}

#[test]
fn exchangers_are_tried_by_preference_until_one_takes_the_mail() {
    let port = free_port();
    let zone = "order.test. MX 20 second.order.test.\norder.test. MX 10 first.order.test.\n\
                first.order.test. A 127.0.0.11\nsecond.order.test. A 127.0.0.12\n";
    let Some(knot) = needed(Knot::start(zone, &[])) else {
        return;
    };
    let second = sink_at("127.0.0.12", port, Script::reading());
    let out = Out::start(&setup(port, &knot.section("")));
    let (id, queue_id) = out.submit("a@order.test");
    second.delivery(&id);
    assert_eq!(out.tls(&queue_id), "none");
    // Another message, so another connection once the first is given up: the better one is back.
    let first = sink_at("127.0.0.11", port, Script::reading());
    second.stop();
    out.submit("a@order.test");
    first.wait_for(1, wait::PATIENCE);
}

#[test]
fn names_lead_to_hosts_in_every_way_that_dns_has() {
    let port = free_port();
    let zone = "implicit.test. A 127.0.0.21\n\
                alias.test. CNAME implicit.test.\n\
                xn--bcher-kva.test. MX 10 implicit.test.\n";
    let unsigned = [("elsewhere.test", "@ MX 10 mx\nmx A 127.0.0.21\n")];
    let Some(knot) = needed(Knot::start(zone, &unsigned)) else {
        return;
    };
    let sink = sink_at("127.0.0.21", port, Script::reading());
    let out = Out::start(&setup(port, &knot.section("")));
    for (number, domain) in [
        "implicit.test",
        "alias.test",
        "xn--bcher-kva.test",
        "elsewhere.test",
        "[127.0.0.21]",
    ]
    .into_iter()
    .enumerate()
    {
        out.submit(&format!("a@{domain}"));
        wait::until(domain, wait::PATIENCE, || sink.count() == number + 1);
    }
}

#[test]
fn what_cannot_be_delivered_bounces_and_what_nobody_knows_waits() {
    let zone = "null.test. MX 0 .\n\
                nowhere.test. MX 10 none.nowhere.test.\n\
                self.test. MX 10 relay.example.com.\n\
                loop.test. MX 10 here.loop.test.\nhere.loop.test. A 127.0.0.1\n\
                bogus.test. DS 12345 13 2 \
                0123456789012345678901234567890123456789012345678901234567890123\n";
    let unsigned = [
        ("broken.test", ""),
        ("bogus.test", "@ MX 10 mx\nmx A 127.0.0.31\n"),
    ];
    let Some(knot) = needed(Knot::start(zone, &unsigned)) else {
        return;
    };
    // The relay itself listens there.
    let mut relay = Relay::prepare(&Setup::maildir());
    let own = relay.port();
    relay.configure(&setup(own, &knot.section("")).to_toml(own));
    relay.restart();
    let user = relay.add_shop_user(&[]);
    let out = Out { relay, user };
    for (domain, words) in [
        ("null.test", "failed 5.1.10 "),
        ("missing.test", "failed 5.1.2 "),
        ("nowhere.test", "failed 5.1.2 "),
        ("self.test", "failed 5.4.6 "),
        ("loop.test", "failed 5.4.6 "),
        ("broken.test", "deferred 4.4.3 cannot look up broken.test"),
        ("bogus.test", "deferred 4.4.3 cannot look up bogus.test"),
    ] {
        out.comes_to(domain, words);
    }
    let bogus = out.outcome("b@bogus.test");
    assert!(bogus.contains("DNSSEC"), "{bogus}");
}

#[test]
fn a_dns_that_is_dead_makes_mail_wait_and_nothing_bounce() {
    // It is there, and says nothing.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let silent = silent
        .local_addr()
        .map(|at| (at, silent))
        .expect("it is bound");
    for dnssec in ["auto", "required", "off"] {
        let keys = format!(
            "dns = {{ servers = [\"{}\"], timeout-s = 1, attempts = 0, dnssec = \"{dnssec}\" }}\n",
            silent.0
        );
        let out = Out::start(&setup(free_port(), &keys));
        let outcome = out.outcome("a@example.net");
        let words = "deferred 4.4.3 cannot look up example.net: ";
        assert!(outcome.starts_with(words), "{dnssec}: {outcome}");
    }
}

/// One exchanger for each case, all of them signed; `TLSA` in the records is what the case promises.
fn dane_zone(port: u16, cases: &[(&str, &str)]) -> String {
    let case = |(name, promise): &(&str, &str)| {
        let tlsa = format!("_{port}._tcp.mx.{name}. TLSA {promise}\n");
        let tlsa = if promise.is_empty() {
            String::new()
        } else {
            tlsa
        };
        format!("{name}. MX 10 mx.{name}.\nmx.{name}. A 127.0.0.41\n{tlsa}")
    };
    cases.iter().map(case).collect()
}

fn encrypted(issued: &Issued) -> Script {
    Script::reading().encrypted(issued.server())
}

#[test]
fn what_dns_promises_of_a_certificate_is_held_against_it() {
    let port = free_port();
    let authority = Authority::new();
    let issued = authority.issue(&["mx.authority.test"]);
    let other = authority.issue(&["mx.wrong.test"]);
    let mut zone = dane_zone(
        port,
        &[
            ("right.test", &issued.tlsa()),
            ("wrong.test", &other.tlsa()),
            ("authority.test", &issued.authority_tlsa()),
            ("misnamed.test", &issued.authority_tlsa()),
            ("unusable.test", "0 0 1 00"),
            ("nothing.test", ""),
        ],
    );
    zone.push_str("mixed.test. MX 10 mx.insecure.test.\n");
    let promise = format!(
        "@ MX 10 mx\nmx A 127.0.0.41\n_{port}._tcp.mx TLSA {}\n",
        other.tlsa()
    );
    let Some(knot) = needed(Knot::start(&zone, &[("insecure.test", &promise)])) else {
        return;
    };
    let sink = sink_at("127.0.0.41", port, encrypted(&issued));
    let out = Out::start(&setup(port, &knot.section(", dnssec = \"required\"")));
    for (domain, tls) in [
        ("right.test", "1.3, verified by DANE"),
        ("authority.test", "1.3, verified by DANE"),
        ("unusable.test", "1.3, not verified"),
        ("nothing.test", "1.3, not verified"),
        // What is not proven promises nothing.
        ("insecure.test", "1.3, not verified"),
        ("mixed.test", "1.3, not verified"),
    ] {
        out.delivers_protected(domain, tls);
    }
    let before = sink.count();
    for domain in ["wrong.test", "misnamed.test"] {
        out.comes_to(domain, "deferred 4.7.5 TLS handshake");
    }
    assert_eq!(sink.count(), before, "nothing is sent in plain text");
    // Neither is it when there is no TLS at all.
    sink.set(Script::reading());
    for domain in ["right.test", "unusable.test"] {
        let (_, queue_id) = out.submit(&format!("b@{domain}"));
        wait::until(domain, wait::PATIENCE, || {
            let attempts = out.attempts(&queue_id);
            attempts.iter().any(|one| told(one).contains("4.7.4 "))
        });
    }
    assert_eq!(sink.count(), before);
}

#[test]
fn postfix_is_known_by_what_dns_promises() {
    let authority = Authority::new();
    let issued = authority.issue(&["mx.postfix.test"]);
    let sink = Sink::start(Script::reading()).expect("a port");
    let Some(postfix) = needed(Postfix::exchanger(sink.port(), &issued)) else {
        return;
    };
    let port = postfix.port();
    let zone = format!(
        "postfix.test. MX 10 mx.postfix.test.\nmx.postfix.test. A 127.0.0.1\n\
         _{port}._tcp.mx.postfix.test. TLSA {}\n",
        issued.tlsa()
    );
    let Some(knot) = needed(Knot::start(&zone, &[])) else {
        return;
    };
    let out = Out::start(&setup(port, &knot.section("")));
    let (id, queue_id) = out.submit("a@postfix.test");
    assert_eq!(out.tls(&queue_id), "1.3, verified by DANE");
    sink.delivery(&id);
}

/// A domain with a policy, its exchanger at 127.0.0.51, and whoever serves the policy.
fn sts_zone(domain: &str) -> String {
    format!(
        "{domain}. MX 10 mx.{domain}.\nmx.{domain}. A 127.0.0.51\n\
         _mta-sts.{domain}. TXT \"v=STSv1; id=1\"\nmta-sts.{domain}. A 127.0.0.1\n"
    )
}

fn sts_policy(mode: &str, host: &str, max_age_s: u64) -> String {
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {host}\r\nmax_age: {max_age_s}\r\n")
}

const STS_DOMAINS: [&str; 5] = [
    "good.test",
    "strange.test",
    "misnamed.test",
    "testing.test",
    "none.test",
];

#[test]
fn the_policy_of_a_domain_is_held_against_its_exchangers() {
    let port = free_port();
    let authority = Authority::new();
    let issued = authority.issue(&["mx.good.test", "mx.strange.test"]);
    let names: Vec<String> = STS_DOMAINS
        .iter()
        .map(|one| format!("mta-sts.{one}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let host = PolicyHost::start(authority.issue(&names).server()).expect("a port");
    host.publish("good.test", &sts_policy("enforce", "*.good.test", 86_400));
    host.publish(
        "strange.test",
        &sts_policy("enforce", "mx.elsewhere.test", 86_400),
    );
    host.publish(
        "misnamed.test",
        &sts_policy("enforce", "mx.misnamed.test", 86_400),
    );
    host.publish(
        "testing.test",
        &sts_policy("testing", "mx.elsewhere.test", 86_400),
    );
    let zones = STS_DOMAINS.map(|domain| (domain, sts_zone(domain)));
    let zones = zones
        .each_ref()
        .map(|(domain, zone)| (*domain, zone.as_str()));
    let Some(knot) = needed(Knot::start("", &zones)) else {
        return;
    };
    let sink = sink_at("127.0.0.51", port, encrypted(&issued));
    let keys = format!(
        "{}mta-sts-port = {}\nca-file = {:?}\n",
        knot.section(""),
        host.port(),
        authority.file().display().to_string()
    );
    let out = Out::start(&setup(port, &keys));
    for (domain, tls) in [
        ("good.test", "1.3, verified by MTA-STS"),
        ("testing.test", "1.3, not verified"),
        // Its policy cannot be fetched, and never could.
        ("none.test", "1.3, not verified"),
    ] {
        out.delivers_protected(domain, tls);
    }
    let before = sink.count();
    for (domain, words) in [
        (
            "strange.test",
            "deferred 4.7.5 the MTA-STS policy of strange.test does not name",
        ),
        ("misnamed.test", "deferred 4.7.5 TLS handshake"),
    ] {
        out.comes_to(domain, words);
    }
    assert_eq!(sink.count(), before, "nothing is sent in plain text");
}

#[test]
fn a_policy_that_was_fetched_holds_when_it_cannot_be_had_any_more_even_after_a_restart() {
    let port = free_port();
    let authority = Authority::new();
    let issued = authority.issue(&["mx.good.test"]);
    let host = PolicyHost::start(authority.issue(&["mta-sts.good.test"]).server()).expect("a port");
    host.publish("good.test", &sts_policy("enforce", "mx.good.test", 86_400));
    let zone = sts_zone("good.test");
    let Some(knot) = needed(Knot::start("", &[("good.test", &zone)])) else {
        return;
    };
    let sink = sink_at("127.0.0.51", port, encrypted(&issued));
    let keys = format!(
        "{}mta-sts-port = {}\nca-file = {:?}\n",
        knot.section(""),
        host.port(),
        authority.file().display().to_string()
    );
    let mut out = Out::start(&setup(port, &keys));
    let (_, queue_id) = out.submit("a@good.test");
    assert_eq!(out.tls(&queue_id), "1.3, verified by MTA-STS");
    host.withdraw_all();
    sink.set(Script::reading());
    out.relay.terminate();
    out.relay.restart();
    let outcome = out.outcome("b@good.test");
    let words = "STARTTLS, which the MTA-STS policy of the domain requires";
    assert!(
        outcome.starts_with("deferred 4.7.4 ") && outcome.contains(words),
        "{outcome}"
    );
    assert_eq!(sink.count(), 1);
}

#[test]
fn broken_tls_is_followed_by_plain_text_where_nothing_forbids_it() {
    let port = free_port();
    let zone = "open.test. MX 10 mx.open.test.\nmx.open.test. A 127.0.0.61\n";
    let Some(knot) = needed(Knot::start(zone, &[])) else {
        return;
    };
    let script = Script {
        starttls: Some(StartTls::Broken),
        ..Script::reading()
    };
    let sink = sink_at("127.0.0.61", port, script);
    let out = Out::start(&setup(port, &knot.section("")));
    let (id, queue_id) = out.submit("a@open.test");
    assert!(!sink.delivery(&id).is_encrypted);
    let tls = out.tls(&queue_id);
    assert!(tls.starts_with("none: 4.7.5 TLS handshake"), "{tls}");
}

#[test]
fn mail_that_requires_tls_goes_to_hosts_that_are_known_and_promise_the_same() {
    let port = free_port();
    let authority = Authority::new();
    let issued = authority.issue(&["mx.known.test"]);
    let zone = dane_zone(port, &[("known.test", &issued.tlsa())]);
    let unsigned = [("unknown.test", "@ MX 10 mx\nmx A 127.0.0.41\n")];
    let Some(knot) = needed(Knot::start(&zone, &unsigned)) else {
        return;
    };
    let promising = Script {
        offers_encrypted: vec!["REQUIRETLS"],
        ..encrypted(&issued)
    };
    let sink = sink_at("127.0.0.41", port, promising);
    let out = Out::start(&setup(port, &knot.section("")));
    let (id, queue_id) = out.submit_with(" REQUIRETLS", "a@known.test");
    assert_eq!(out.tls(&queue_id), "1.3, verified by DANE");
    let from = sink.delivery(&id).from;
    assert!(from.ends_with(" REQUIRETLS"), "{from}");
    let refused = |to: &str| {
        let (_, queue_id) = out.submit_with(" REQUIRETLS", to);
        told(&out.attempts(&queue_id)[0])
    };
    // Neither DNSSEC nor a policy proves that this is its exchanger.
    let unknown = refused("a@unknown.test");
    assert!(
        unknown.starts_with("failed 5.7.30 neither DNSSEC nor"),
        "{unknown}"
    );
    sink.set(encrypted(&issued));
    sink.stop();
    sink.restart();
    let unpromised = refused("b@known.test");
    assert!(
        unpromised.starts_with("failed 5.7.30 mx.known.test"),
        "{unpromised}"
    );
    sink.set(Script::reading());
    sink.stop();
    sink.restart();
    let plain = refused("c@known.test");
    assert!(plain.starts_with("failed 5.7.30 mx.known.test"), "{plain}");
    assert!(plain.contains("STARTTLS"), "{plain}");
}

#[test]
fn a_smarthost_that_fails_is_followed_by_the_next() {
    let (first, second) = (
        Sink::start(Script::reading()).expect("a port"),
        Sink::start(Script::reading()).expect("a port"),
    );
    let smarthost = |port| format!("{{ host = \"127.0.0.1\", port = {port}, tls = \"none\" }}");
    let both = format!(
        "[{}, {}]",
        smarthost(first.port()),
        smarthost(second.port())
    );
    let setup = Setup::smarthost(first.port()).retrying_soon();
    let setup = setup.delivering("smarthost-retry-s = 1\nidle-keep-s = 0\n");
    let mut relay = Relay::prepare(&setup);
    let text = setup.to_toml(relay.port());
    relay.configure(&text.replace(&smarthost(first.port()), &both));
    relay.restart();
    let user = relay.add_shop_user(&[]);
    let out = Out { relay, user };
    out.submit("a@example.net");
    first.wait_for(1, wait::PATIENCE);
    first.stop();
    out.submit("b@example.net");
    second.wait_for(1, wait::PATIENCE);
    first.restart();
    wait::until("the first is used again", wait::PATIENCE, || {
        out.submit("c@example.net");
        first.count() > 1
    });
}

#[test]
fn a_refused_login_bounces_nothing_and_an_alert_tells() {
    let sink = Sink::start(Script::reading().offering(&["AUTH PLAIN"])).expect("a port");
    let setup = Setup::smarthost(sink.port()).retrying_soon();
    let mut relay = Relay::prepare(&setup);
    let text = setup.to_toml(relay.port());
    let login = "tls = \"none\", username = \"relay\", password = \"wrong\" }";
    relay.configure(&text.replace("tls = \"none\" }", login));
    relay.restart();
    let user = relay.add_shop_user(&[]);
    let out = Out { relay, user };
    // The sink knows no AUTH.
    let outcome = out.outcome("a@example.net");
    assert!(outcome.starts_with("deferred 500 "), "{outcome}");
    wait::until("an alert tells", wait::PATIENCE, || {
        let alerts = out.relay.json(&["alert", "list"]).to_string();
        alerts.contains("delivery-problem") && alerts.contains("does not let this relay log in")
    });
    let log = out.relay.log();
    assert!(log.contains("does not let this relay log in"), "{log}");
    assert!(!log.contains("wrong"), "the password is nobody's business");
}

#[test]
fn a_lists_route_and_a_domains_route_lead_elsewhere_from_their_own_address() {
    let (general, of_list, of_domain) = (
        Sink::start(Script::reading()).expect("a port"),
        Sink::start(Script::reading()).expect("a port"),
        Sink::start(Script::reading()).expect("a port"),
    );
    let routes = format!(
        "[[delivery.route]]\nname = \"newsletter\"\nsource-addresses = [\"127.0.0.71\"]\n\
         smarthost = {{ host = \"127.0.0.1\", port = {}, tls = \"none\" }}\n\
         [[delivery.route]]\nname = \"partner\"\ndomains = [\"*.partner.example\"]\n\
         smarthost = {{ host = \"127.0.0.1\", port = {}, tls = \"none\" }}\n",
        of_list.port(),
        of_domain.port()
    );
    let out = Out::start(&Setup::smarthost(general.port()).delivering(&routes));
    let (id, _) = out.submit("a@example.net");
    general.delivery(&id);
    let (id, _) = out.submit("a@mail.partner.example");
    of_domain.delivery(&id);
    let unknown = out
        .relay
        .cli(&["list", "edit", "shop", "--route", "newsleter"]);
    assert!(
        unknown.stderr.contains("newsletter, partner"),
        "{}",
        unknown.stderr
    );
    out.relay
        .cli(&["list", "edit", "shop", "--route", "newsletter"])
        .succeeded();
    for to in ["b@example.net", "b@mail.partner.example"] {
        out.submit(to);
    }
    of_list.wait_for(2, wait::PATIENCE);
    let peer = of_list.deliveries()[0].peer.map(|ip| ip.to_string());
    assert_eq!(peer.as_deref(), Some("127.0.0.71"));
    out.relay
        .cli(&["list", "edit", "shop", "--no-route"])
        .succeeded();
    out.submit("c@example.net");
    general.wait_for(2, wait::PATIENCE);
}
