//! Real clients, as people start them: curl, swaks and Python's smtplib, over STARTTLS, with senders that
//! are authorized and senders that are not.

use std::io::Write;
use std::process::{Command, Stdio};

use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};

const AUTHORIZED: &str = "orders@example.com";
const UNAUTHORIZED: &str = "boss@example.net";
const TO: &str = "customer@example.org";
const REFUSAL: &str = "550 5.7.1 boss@example.net (MAIL FROM) is not an authorized sender";

/// Submits what it is told, as another program would.
const SMTPLIB: &str = r#"
import smtplib, ssl, sys
port, user, password, sender, recipient = sys.argv[1:]
client = smtplib.SMTP("127.0.0.1", int(port), timeout=30)
client.starttls(context=ssl._create_unverified_context())
client.login(user, password)
client.sendmail(sender, [recipient], sys.stdin.read())
client.quit()
"#;

/// A program that submits a message, as it is started.
type Start = fn(port: u16, user: &User, sender: &str) -> Command;

fn curl(port: u16, user: &User, sender: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--verbose",
        "--insecure",
        "--ssl-reqd",
    ])
    .args(["--user", &format!("{}:{}", user.username, user.password)])
    .args([
        "--mail-from",
        sender,
        "--mail-rcpt",
        TO,
        "--crlf",
        "--upload-file",
        "-",
    ])
    .arg(format!("smtp://127.0.0.1:{port}"));
    curl
}

fn swaks(port: u16, user: &User, sender: &str) -> Command {
    let mut swaks = Command::new("swaks");
    swaks
        .args([
            "--server",
            &format!("127.0.0.1:{port}"),
            "--tls",
            "--data",
            "-",
        ])
        .args([
            "--auth-user",
            &user.username,
            "--auth-password",
            &user.password,
        ])
        .args(["--from", sender, "--to", TO]);
    swaks
}

fn smtplib(port: u16, user: &User, sender: &str) -> Command {
    let mut python = Command::new("python3");
    python.args(["-c", SMTPLIB, &port.to_string()]).args([
        &user.username,
        &user.password,
        sender,
        TO,
    ]);
    python
}

/// Runs the client with `content` on its standard input; everything it prints.
fn run(start: Start, relay: &Relay, user: &User, sender: &str, content: &str) -> (bool, String) {
    let mut command = start(relay.port(), user, sender);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be started ({error}); tests/run installs it")
        });
    let mut stdin = child.stdin.take().expect("piped");
    // A client that is refused may leave before it has read its message.
    let _ = stdin.write_all(content.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), printed)
}

fn delivers_and_explains(name: &str, start: Start) {
    let sink = Sink::start(Script::reading()).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);

    let id = message::id(name, 0);
    let content = message::short(AUTHORIZED, TO, &id).replace("\r\n", "\n");
    let (succeeded, printed) = run(start, &relay, &user, AUTHORIZED, &content);
    assert!(succeeded, "{printed}");
    sink.delivery(&id);

    let content = message::short(UNAUTHORIZED, TO, &message::id(name, 1)).replace("\r\n", "\n");
    let (succeeded, printed) = run(start, &relay, &user, UNAUTHORIZED, &content);
    assert!(!succeeded, "{printed}");
    // smtplib shows the reply as a tuple of code and text.
    let shown = printed.replace("(550, b'", "550 ");
    assert!(shown.contains(REFUSAL), "{printed}");
    assert_eq!(sink.count(), 1);
}

#[test]
fn curl_delivers_and_is_told_why_not() {
    delivers_and_explains("curl", curl);
}

#[test]
fn swaks_delivers_and_is_told_why_not() {
    delivers_and_explains("swaks", swaks);
}

#[test]
fn smtplib_delivers_and_is_told_why_not() {
    delivers_and_explains("smtplib", smtplib);
}
