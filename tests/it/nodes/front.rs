//! Relays behind HAProxy, as `examples/deploy` has them: clients keep their addresses, and notice of a relay's end nothing.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, User, free_port, new_folder};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

use super::{FROM, PATIENCE, TO, alive, setup};

/// Where the client of this test is; everything else is at 127.0.0.1.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// A relay that believes the proxy, and says at its monitor whether it takes mail.
struct Behind {
    relay: Relay,
    monitor: u16,
}

impl Behind {
    fn start(name: &str, url: &str, sink: &Sink) -> Self {
        let monitor = free_port();
        let tables = format!(
            "\n[monitor]\naddress = [\"127.0.0.1:{monitor}\"]\n[intake]\nshow-client-address = true\n"
        );
        let setup = setup(name, url, sink, "")
            .listening("proxy-protocol = [\"127.0.0.1\"]\n")
            .with(&tables);
        let relay = Relay::start(&setup);
        Self { relay, monitor }
    }
}

/// A running HAProxy, that ends when it is dropped.
struct Front {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Front {
    /// With the shipped configuration, but for names and ports.
    fn start(relays: [&Behind; 2]) -> Self {
        let (folder, port) = (new_folder(), free_port());
        let config = folder.join("haproxy.cfg");
        std::fs::write(&config, configuration(relays, port)).expect("a writable folder");
        let process = Command::new(program())
            .args(["-db", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy; hint: install it, as tests/run does");
        Self {
            process,
            folder,
            port,
        }
    }

    fn login(&self, user: &User) -> std::io::Result<Client> {
        let mut client = Client::try_connect_from(CLIENT, self.port)?;
        client.try_login(&user.username, &user.password)?;
        Ok(client)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program() -> &'static str {
    let debian = "/usr/sbin/haproxy";
    if Path::new(debian).is_file() {
        debian
    } else {
        "haproxy"
    }
}

fn configuration(relays: [&Behind; 2], port: u16) -> String {
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/deploy/compose/haproxy.cfg");
    let mut text = std::fs::read_to_string(shipped).expect("the example is there");
    // As many sockets as this machine lets anybody open.
    text = text.replace("maxconn 20000", "maxconn 1000");
    text = text.replace(":10587", &format!("127.0.0.1:{port}"));
    for other in [":10025", ":10465", ":18080"] {
        text = text.replace(other, &format!("127.0.0.1:{}", free_port()));
    }
    for (number, behind) in (1..).zip(relays) {
        let submission = format!("relay-{number}:2587");
        let here = format!("127.0.0.1:{} port {}", behind.relay.port(), behind.monitor);
        assert!(text.contains(&submission), "{text}");
        text = text.replace(&submission, &here);
        for other in ["2525", "2465", "8080"] {
            // Nobody asks for these.
            text = text.replace(&format!("relay-{number}:{other}"), "127.0.0.1:9 port 9");
        }
    }
    text
}

#[test]
fn behind_haproxy_clients_keep_their_addresses_and_do_not_notice_that_a_relay_ends() {
    let url = Cluster::shared().database();
    let sink = Sink::start(Script::reading()).expect("a port");
    let mut one = Behind::start("one", &url, &sink);
    let other = Behind::start("other", &url, &sink);
    let user = one.relay.add_shop_user(&[]);
    wait::until("both are seen", PATIENCE, || alive(&other.relay).len() == 2);
    let front = Front::start([&one, &other]);
    wait::until("somebody answers", PATIENCE, || front.login(&user).is_ok());

    let submit = |number| {
        let id = message::id("front", number);
        let mut client = front.login(&user).expect("somebody answers");
        client.submit(FROM, &[TO], &message::short(FROM, TO, &id), "250");
        let received = sink.delivery(&id).fields("Received").concat();
        assert!(received.contains("[127.0.0.77]"), "{received}");
    };
    (0..20).for_each(submit);
    let by = |relay: &Relay| relay.log().contains("message accepted");
    assert!(by(&one.relay) && by(&other.relay), "each had some");

    // At once, before a check has said that it is gone, and afterwards.
    assert!(one.relay.terminate().success());
    (20..40).for_each(submit);
}
