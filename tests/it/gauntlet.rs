//! Past next hops that die at every possible point of the dialogue: nothing is lost, and only what was taken
//! without our hearing of it comes twice.

use std::net::Ipv4Addr;

use gatepost::tls;
use gatepost_tests::client::Client;
use gatepost_tests::gauntlet::{Fault, Gauntlet, Peer, Style};
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User, free_port};
use gatepost_tests::wait;

/// Messages to each peer, over one connection as long as it lives.
const MESSAGES: u64 = 2;
/// At the address of a peer that never dies, which takes the notifications.
const SENDER: Ipv4Addr = Ipv4Addr::new(127, 100, 0, 1);

/// One peer, and what is sent there.
struct Scenario {
    style: &'static str,
    peer: Peer,
    recipients: &'static [&'static str],
    /// The parameters of MAIL.
    mail: &'static str,
}

struct Course {
    style: Style,
    recipients: &'static [&'static str],
    mail: &'static str,
}

fn courses(relay: &Relay) -> Vec<Course> {
    let files = tls::self_signed(relay.folder(), "gauntlet").expect("a certificate");
    let config = tls::server_config(&files.certificate, &files.key).expect("they fit");
    let course = |name, offers, tls, recipients, mail| Course {
        style: Style { name, offers, tls },
        recipients,
        mail,
    };
    vec![
        course("stepwise", &["8BITMIME"][..], None, &["a", "b"][..], ""),
        course(
            "pipelined",
            &["PIPELINING", "SIZE"],
            None,
            &["a", "b", "c"],
            "",
        ),
        course("mixed", &["PIPELINING"], None, &["bad", "a", "later"], ""),
        course("mixed stepwise", &[], None, &["later", "a", "bad"], ""),
        course(
            "encrypted",
            &["PIPELINING"],
            Some(config.into()),
            &["a"],
            "",
        ),
        course(
            "chunked",
            &["PIPELINING", "CHUNKING", "BINARYMIME"],
            None,
            &["a"],
            " BODY=BINARYMIME",
        ),
        course(
            "chunked stepwise",
            &["CHUNKING", "BINARYMIME"],
            None,
            &["a"],
            " BODY=BINARYMIME",
        ),
        course(
            "in one write",
            &["PIPELINING", "CHUNKING"],
            None,
            &["bad", "a", "later"],
            "",
        ),
    ]
}

/// A relay that sends to the literals of peers, impatiently.
fn relay(port: u16) -> Relay {
    let setup = Setup::maildir().retrying_soon().delivering(
        "max-concurrency = 60\nper-destination = 1\nconnect-timeout-s = 3\ncommand-timeout-s = 3\n\
         data-block-timeout-s = 3\ndata-end-timeout-s = 3\n",
    );
    let relay = Relay::prepare(&setup);
    let text = setup.to_toml(relay.port());
    let mx = format!("mode = \"mx\"\nmx-port = {port}");
    relay.configure(&text.replace("mode = \"maildir\"", &mx));
    let mut relay = relay;
    relay.restart();
    relay
}

impl Scenario {
    fn address(&self, name: &str) -> String {
        format!("{name}@[{}]", self.peer.ip)
    }

    fn id(&self, number: u64) -> String {
        message::id(&format!("{:x}", u32::from(self.peer.ip)), number)
    }

    fn submit(&self, client: &mut Client) {
        let from = format!("orders@[{SENDER}]");
        for number in 0..MESSAGES {
            client.say(&format!("MAIL FROM:<{from}>{}", self.mail), "250");
            for name in self.recipients {
                client.say(&format!("RCPT TO:<{}>", self.address(name)), "250");
            }
            let text = message::short(&from, &self.address("a"), &self.id(number));
            let content = format!("{text}{}", "More text for the road.\r\n".repeat(100));
            let chunk = format!("BDAT {} LAST\r\n{content}", content.len());
            client.send(chunk.as_bytes(), "250 2.0.0 queued as ");
        }
    }

    /// Who is to be served.
    fn served(&self) -> impl Iterator<Item = (String, String)> {
        let names = self.recipients.iter().filter(|name| **name != "bad");
        let pairs = names
            .flat_map(|name| (0..MESSAGES).map(|number| (self.id(number), self.address(name))));
        pairs.collect::<Vec<_>>().into_iter()
    }

    fn is_served(&self) -> bool {
        self.served().all(|(id, to)| self.peer.copies(&id, &to) > 0)
    }

    fn is_doubled(&self) -> bool {
        self.served().any(|(id, to)| self.peer.copies(&id, &to) > 1)
    }

    /// What was lost, or came twice though its sender had heard that it came.
    fn mistakes(&self) -> Vec<String> {
        let died_at = self.peer.record().died_at;
        let is_heard = self
            .peer
            .death
            .is_none_or(|(_, fault)| fault == Fault::CloseAfter);
        let may_be_twice = died_at == Some("the final reply") && !is_heard;
        let wrong = self.served().filter_map(|(id, to)| {
            let copies = self.peer.copies(&id, &to);
            let is_right = copies == 1 || (copies == 2 && may_be_twice);
            (!is_right).then(|| {
                let (style, death) = (self.style, self.peer.death);
                format!("{style}: {copies} copies of {id} for {to} of one that died at {died_at:?}: {death:?}")
            })
        });
        wrong.collect()
    }
}

/// In several sessions, for each has a limit of messages.
fn submit(relay: &Relay, user: &User, scenarios: &[Scenario]) {
    for part in scenarios.chunks(20) {
        let mut client = relay.login(user);
        part.iter().for_each(|one| one.submit(&mut client));
    }
}

fn wait_for(relay: &Relay, scenarios: &[Scenario]) {
    wait::until("every message has arrived", 4 * wait::PATIENCE, || {
        scenarios.iter().all(Scenario::is_served)
    });
    wait::until("nothing is left to be sent", 2 * wait::PATIENCE, || {
        relay
            .json(&["queue", "list"])
            .as_array()
            .is_some_and(Vec::is_empty)
    });
}

#[test]
fn a_next_hop_that_dies_anywhere_loses_nothing_and_doubles_only_what_it_took_unheard() {
    let gauntlet = Gauntlet::new(free_port());
    let relay = relay(gauntlet.port);
    let user = relay.add_shop_user(&[]);
    let courses = courses(&relay);
    let notified = Style {
        name: "sender",
        offers: &["PIPELINING"],
        tls: None,
    };
    let _sender = gauntlet.add(SENDER, notified, None);
    let scenario = |course: &Course, ip: [u8; 4], death| Scenario {
        style: course.style.name,
        peer: gauntlet.add(ip.into(), course.style.clone(), death),
        recipients: course.recipients,
        mail: course.mail,
    };
    let clean: Vec<Scenario> = (1..)
        .zip(&courses)
        .map(|(number, course)| scenario(course, [127, number, 0, 1], None))
        .collect();
    submit(&relay, &user, &clean);
    wait_for(&relay, &clean);
    let mut scenarios = Vec::new();
    for (number, (course, clean)) in (1..).zip(courses.iter().zip(&clean)) {
        // Every operation of a dialogue that passes clean, and one that is not reached.
        let operations = clean.peer.record().operations;
        assert!(
            (8..40).contains(&operations),
            "{}: {operations}",
            course.style.name
        );
        for at in 0..=operations {
            for (kind, fault) in (2..).zip(Fault::ALL) {
                let octet = u8::try_from(at + 1).expect("few operations");
                let death = Some((at, fault));
                scenarios.push(scenario(course, [127, number, octet, kind], death));
            }
        }
    }
    submit(&relay, &user, &scenarios);
    wait_for(&relay, &scenarios);
    scenarios.extend(clean);
    let mistakes: Vec<String> = scenarios.iter().flat_map(Scenario::mistakes).collect();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert!(
        scenarios.iter().any(Scenario::is_doubled),
        "copies are counted"
    );
    let died = scenarios
        .iter()
        .filter(|one| one.peer.record().died_at.is_some());
    assert!(
        died.count() >= scenarios.len() * 8 / 10,
        "hardly anybody died"
    );
}
