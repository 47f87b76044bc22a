//! What mail clients configure themselves by, as they ask for it.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use gatepost_tests::http::{self, Answer};
use gatepost_tests::relay::{Relay, Setup, free_port};
use serde_json::Value;

const INCOMING: &str = "incoming-host = \"imap.example.com\"\n";

/// A relay that serves HTTP, and its port.
fn served(autoconfig: &str) -> (Relay, u16) {
    let port = free_port();
    let tables = format!(
        "\n[web]\nhttp = [\"127.0.0.1:{port}\"]\nheader-timeout-s = 1\n\n[autoconfig]\n{autoconfig}"
    );
    (Relay::start(&Setup::maildir().with(&tables)), port)
}

/// Runs a Python script on a document: parsers that are not ours.
#[track_caller]
fn python(script: &str, document: &str) -> Value {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(document.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "refused:\n{document}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Every element with a text, without its namespace.
#[track_caller]
fn elements(document: &str) -> Value {
    let script = "import sys, json, xml.etree.ElementTree as E\n\
                  root = E.fromstring(sys.stdin.buffer.read())\n\
                  print(json.dumps([[e.tag, (e.text or '').strip(), e.attrib] for e in root.iter()]))";
    python(script, document)
}

#[track_caller]
fn texts(document: &str, tag: &str) -> Vec<String> {
    let elements = elements(document);
    let elements = elements.as_array().expect("a list");
    let matching = elements
        .iter()
        .filter(|one| one[0].as_str().is_some_and(|found| found.ends_with(tag)));
    matching
        .map(|one| one[1].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn request(address: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
         <Request><EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>\
         http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
         </AcceptableResponseSchema></Request></Autodiscover>"
    )
}

#[track_caller]
fn assert_protected(answer: &Answer) {
    assert_eq!(answer.field("x-content-type-options"), "nosniff");
    assert!(
        answer
            .field("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert!(!answer.field("cache-control").is_empty());
}

#[test]
fn thunderbird_finds_its_document_at_both_places() {
    let (relay, port) = served(&format!("domains = [\"example.com\"]\n{INCOMING}"));
    for path in [
        "/mail/config-v1.1.xml",
        "/.well-known/autoconfig/mail/config-v1.1.xml",
    ] {
        let answer = http::get(port, &format!("{path}?emailaddress=anna%40example.com"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.field("content-type"),
            "application/xml; charset=utf-8"
        );
        assert_protected(&answer);
        let document = &answer.body;
        assert_eq!(
            texts(document, "hostname"),
            ["imap.example.com", "relay.example.com"]
        );
        assert_eq!(texts(document, "port"), ["993", &relay.port().to_string()]);
        assert_eq!(texts(document, "socketType"), ["SSL", "STARTTLS"]);
        assert_eq!(
            texts(document, "username"),
            ["anna@example.com", "anna@example.com"]
        );
        assert_eq!(texts(document, "domain"), ["example.com"]);
    }
    let general = http::get(port, "/mail/config-v1.1.xml");
    assert_eq!(
        texts(&general.body, "username"),
        ["%EMAILADDRESS%", "%EMAILADDRESS%"]
    );
}

#[test]
fn outlook_is_answered_in_every_spelling_of_the_path() {
    let (relay, port) = served("domains = [\"example.com\"]\nusername = \"%EMAILLOCALPART%\"\n");
    for path in [
        "/autodiscover/autodiscover.xml",
        "/Autodiscover/Autodiscover.xml",
        "/AutoDiscover/AUTODISCOVER.XML",
    ] {
        let answer = http::post(port, path, &request("anna@example.com"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_protected(&answer);
        assert_eq!(texts(&answer.body, "}Type"), ["SMTP"]);
        assert_eq!(texts(&answer.body, "Server"), ["relay.example.com"]);
        assert_eq!(texts(&answer.body, "Port"), [relay.port().to_string()]);
        assert_eq!(texts(&answer.body, "Encryption"), ["TLS"]);
        assert_eq!(texts(&answer.body, "LoginName"), ["anna"]);
    }
    assert_eq!(
        http::get(port, "/autodiscover/autodiscover.xml").status,
        405
    );
    let second = http::get(
        port,
        "/autodiscover/autodiscover.json?Email=a%40example.com&Protocol=AutodiscoverV1",
    );
    assert_eq!(second.status, 404);
    assert!(second.body.contains("autodiscover.xml"), "{}", second.body);
}

#[test]
fn an_apple_profile_has_what_the_payload_must_have_and_keeps_its_identifiers() {
    let (relay, port) = served(INCOMING);
    let path = "/apple.mobileconfig?email=anna%40example.com&username=s1_1";
    let answer = http::get(port, path);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.field("content-type"),
        "application/x-apple-aspen-config"
    );
    let script =
        "import sys, json, plistlib\nprint(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
    let profile = python(script, &answer.body);
    assert_eq!(profile["PayloadType"], "Configuration");
    let account = &profile["PayloadContent"][0];
    for (key, value) in [
        ("PayloadType", Value::from("com.apple.mail.managed")),
        ("EmailAccountType", Value::from("EmailTypeIMAP")),
        ("EmailAddress", Value::from("anna@example.com")),
        (
            "IncomingMailServerAuthentication",
            Value::from("EmailAuthPassword"),
        ),
        (
            "IncomingMailServerHostName",
            Value::from("imap.example.com"),
        ),
        ("IncomingMailServerPortNumber", Value::from(993)),
        (
            "OutgoingMailServerAuthentication",
            Value::from("EmailAuthPassword"),
        ),
        (
            "OutgoingMailServerHostName",
            Value::from("relay.example.com"),
        ),
        ("OutgoingMailServerPortNumber", Value::from(relay.port())),
        ("OutgoingMailServerUseSSL", Value::from(true)),
        ("OutgoingMailServerUsername", Value::from("s1_1")),
    ] {
        assert_eq!(account[key], value, "{key}");
    }
    assert_ne!(account["PayloadUUID"], profile["PayloadUUID"]);
    assert_eq!(http::get(port, path).body, answer.body);
}

#[test]
fn without_an_incoming_server_the_profile_says_what_to_set() {
    let (_relay, port) = served("");
    let answer = http::get(port, "/apple.mobileconfig?email=anna%40example.com");
    assert_eq!(answer.status, 404);
    assert!(
        answer.body.contains("autoconfig.incoming-host"),
        "{}",
        answer.body
    );
}

#[test]
fn what_a_client_sends_is_echoed_escaped_or_not_at_all() {
    let (_relay, port) = served(INCOMING);
    let hostile = "%22%3Cscript%3E%26%22%40example.com";
    let answer = http::get(
        port,
        &format!("/mail/config-v1.1.xml?emailaddress={hostile}"),
    );
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("<script"), "{}", answer.body);
    assert_eq!(
        texts(&answer.body, "username")[0],
        "\"<script>&\"@example.com"
    );
    for path in [
        "/mail/config-v1.1.xml?emailaddress=%3Cscript%3E",
        "/apple.mobileconfig?email=a%40%3Cscript%3E",
        "/mail/config-v1.1.xml?emailaddress=a%0D%0AX-Evil:1%40example.com",
    ] {
        let answer = http::get(port, path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(
            !answer.body.contains("script") && answer.field("x-evil").is_empty(),
            "{answer:?}"
        );
    }
}

#[test]
fn addresses_of_other_domains_are_not_configured() {
    let (_relay, port) = served(&format!("domains = [\"example.com\"]\n{INCOMING}"));
    assert_eq!(
        http::get(port, "/mail/config-v1.1.xml?emailaddress=a%40example.net").status,
        404
    );
    assert_eq!(
        http::get(port, "/apple.mobileconfig?email=a%40example.net").status,
        404
    );
    let answer = http::post(
        port,
        "/autodiscover/autodiscover.xml",
        &request("a@example.net"),
    );
    assert_eq!(answer.status, 404);
    assert!(!answer.body.contains("example.net"), "{}", answer.body);
}

#[test]
fn a_request_with_entities_or_too_much_of_it_is_refused() {
    let (_relay, port) = served("");
    let path = "/autodiscover/autodiscover.xml";
    let bomb = "<!DOCTYPE a [<!ENTITY b \"c\"><!ENTITY d \"&b;&b;&b;\">]><EMailAddress>&d;@example.com</EMailAddress>";
    assert_eq!(http::post(port, path, bomb).status, 400);
    assert_eq!(http::post(port, path, "no XML <").status, 400);
    let endless = request(&"a".repeat(70_000));
    assert_eq!(http::post(port, path, &endless).status, 413);
    let header = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    assert_eq!(http::request(port, &header).status, 431);
}

#[test]
fn the_page_is_for_people_and_head_has_no_body() {
    let (relay, port) = served("display-name = \"Mail <for> us\"\n");
    let page = http::get(port, "/");
    assert_eq!(page.status, 200);
    assert_protected(&page);
    assert!(
        page.body.contains("Mail &lt;for&gt; us") && page.body.contains(&relay.port().to_string())
    );
    let head = http::request(port, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.field("content-length"), page.body.len().to_string());
    let nothing = http::get(port, "/admin");
    assert_eq!(nothing.status, 404);
    assert_protected(&nothing);
}

#[test]
fn a_connection_serves_one_request_and_does_not_wait_for_ever() {
    let (_relay, port) = served("");
    let mut idle = http::connect(port).expect("a connection");
    idle.write_all(b"GET / HTTP/1.1\r\nHost:")
        .expect("it is open");
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    assert!(
        !String::from_utf8_lossy(&rest).contains("200 OK"),
        "it was closed"
    );
    let twice = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = http::request(port, twice);
    assert_eq!(answer.field("connection"), "close");
    assert!(
        !answer.body.contains("HTTP/1.1"),
        "one response: {}",
        answer.body
    );
}

#[test]
fn https_shows_the_relays_certificate_and_survives_who_does_not_shake_hands() {
    let port = free_port();
    let web = format!("\n[web]\nhttps = [\"127.0.0.1:{port}\"]\n");
    let mut relay = Relay::start(&Setup::maildir().with(&web));
    let silent = http::connect(port).expect("a connection");
    let answer = http::get_tls(port, "/").expect("another one is served meanwhile");
    assert_eq!(answer.status, 200);
    assert!(relay.terminate().success());
    drop(silent);
}

#[test]
fn the_command_line_prints_records_and_documents() {
    let tables = format!("\n[autoconfig]\ndomains = [\"example.com\"]\n{INCOMING}");
    let relay = Relay::prepare(&Setup::maildir().with(&tables));
    let port = relay.port();
    let text = relay.cli(&["autoconfig", "dns"]).succeeded().stdout;
    let submission = format!("_submission._tcp.example.com. IN SRV 0 1 {port} relay.example.com.");
    assert_eq!(text.lines().next(), Some(submission.as_str()));
    let records = relay.json(&["autoconfig", "dns", "--domain", "bücher.example"]);
    assert_eq!(
        records[1]["name"],
        "_submissions._tcp.xn--bcher-kva.example."
    );
    assert_eq!(records[1]["value"], "0 0 0 .", "there is no implicit TLS");
    for client in ["thunderbird", "outlook", "apple"] {
        let shown = relay
            .cli(&["autoconfig", "show", client, "--email", "anna@example.com"])
            .succeeded();
        assert!(
            !elements(&shown.stdout)
                .as_array()
                .expect("a list")
                .is_empty(),
            "{client}"
        );
    }
    let refused = relay.cli(&["autoconfig", "show", "apple", "--email", "anna@example.net"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
}
