//! Attempts over TLS, with and without a login.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::bench::Step::{Content, Hang, Hear, Say};
use super::bench::{Step, config, courier, job, peer, play, scratch, told};
use crate::delivery::{Config, Tls};
use crate::secret::Secret;
use crate::tls;

/// Speaks TLS from the first octet or after STARTTLS, and then plays the script.
async fn tls_peer(dir: &Path, mode: Tls, script: Vec<Step>) -> (u16, JoinHandle<Vec<String>>) {
    let made = tls::self_signed(dir, "127.0.0.1").expect("an address is a name");
    let server = tls::server_config(&made.certificate, &made.key).expect("they fit");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let played = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = BufReader::new(stream);
        let mut heard = Vec::new();
        if mode != Tls::Implicit {
            stream.write_all(b"220 peer\r\n").await.expect("it listens");
            let mut line = String::new();
            stream.read_line(&mut line).await.expect("it speaks");
            stream
                .write_all(b"250-peer\r\n250 STARTTLS\r\n")
                .await
                .expect("it listens");
            stream.read_line(&mut line).await.expect("it speaks");
            assert!(line.ends_with("STARTTLS\r\n"), "{line}");
            stream.write_all(b"220 go\r\n").await.expect("it listens");
        }
        if let Ok(stream) = TlsAcceptor::from(Arc::clone(&server)).accept(stream).await {
            play(stream, &script, &mut heard).await;
        }
        heard
    });
    (port, played)
}

fn encrypted(port: u16, mode: Tls, ca_file: Option<&Path>) -> Config {
    let mut config = config(port);
    config.ca_file = ca_file.map(Path::to_owned);
    let smarthost = &mut config.smarthost.0[0];
    smarthost.tls = mode;
    smarthost.username = Some("anna".to_owned());
    smarthost.password = Some(Secret::new("sesame".to_owned()));
    config
}

const SEND: [Step; 6] = [
    Hear("MAIL"),
    Say("250 ok\r\n"),
    Hear("RCPT"),
    Say("250 ok\r\n"),
    Hear("DATA"),
    Say("354 go\r\n"),
];

/// The dialogue over TLS: EHLO, a login, one message.
fn script(mode: Tls, auth: &[Step]) -> Vec<Step> {
    let greeting: &[Step] = if mode == Tls::Implicit {
        &[Say("220 peer\r\n")]
    } else {
        &[]
    };
    [
        greeting,
        &[Hear("EHLO relay.example")],
        auth,
        &SEND,
        &[Content, Say("250 taken\r\n")],
    ]
    .concat()
}

#[tokio::test]
async fn a_login_by_plain_or_login_happens_under_tls() {
    let plain = [
        Say("250-peer\r\n250 AUTH PLAIN LOGIN\r\n"),
        Hear("AUTH PLAIN AGFubmEAc2VzYW1l\r\n"),
        Say("235 welcome\r\n"),
    ];
    let login = [
        Say("250-peer\r\n250 AUTH LOGIN\r\n"),
        Hear("AUTH LOGIN\r\n"),
        Say("334 VXNlcm5hbWU6\r\n"),
        Hear("YW5uYQ==\r\n"),
        Say("334 UGFzc3dvcmQ6\r\n"),
        Hear("c2VzYW1l\r\n"),
        Say("235 welcome\r\n"),
    ];
    for (mode, auth) in [
        (Tls::Required, &plain[..]),
        (Tls::Implicit, &login[..]),
        (Tls::Opportunistic, &plain[..]),
    ] {
        let dir = scratch();
        let (port, heard) = tls_peer(&dir, mode, script(mode, auth)).await;
        let certificate = dir.join("self-signed.crt");
        let config = encrypted(port, mode, Some(&certificate));
        let report = courier(&config)
            .await
            .attempt(&job(&["b@b.example"], "A: b\r\n"))
            .await;
        assert_eq!(told(&report), ["delivered 250 taken"], "{mode:?}");
        heard.await.expect("the script was kept to");
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_where_tls_is_required() {
    let (dir, other) = (scratch(), scratch());
    let stranger = tls::self_signed(&other, "127.0.0.1").expect("an address is a name");
    for mode in [Tls::Required, Tls::Implicit] {
        let (port, _heard) = tls_peer(&dir, mode, Vec::new()).await;
        let config = encrypted(port, mode, Some(&stranger.certificate));
        let report = courier(&config)
            .await
            .attempt(&job(&["b@b.example"], "A: b\r\n"))
            .await;
        let told = told(&report);
        assert!(
            told[0].starts_with("deferred 4.7.5 TLS handshake with 127.0.0.1:"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_login_defers_and_says_so() {
    let auth = [
        Hear("EHLO"),
        Say("250-peer\r\n250 AUTH PLAIN\r\n"),
        Hear("AUTH PLAIN"),
        Say("535 5.7.8 wrong\r\n"),
        Hang,
    ];
    let dir = scratch();
    let (port, _heard) = tls_peer(&dir, Tls::Required, auth.to_vec()).await;
    let certificate = dir.join("self-signed.crt");
    let config = encrypted(port, Tls::Required, Some(&certificate));
    let report = courier(&config)
        .await
        .attempt(&job(&["b@b.example"], "A: b\r\n"))
        .await;
    assert_eq!(told(&report), ["deferred 535 5.7.8 wrong"]);
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear_because_starttls_is_missing() {
    let script = vec![
        Say("220 peer\r\n"),
        Hear("EHLO"),
        Say("250-peer\r\n250 AUTH PLAIN\r\n"),
        Hang,
    ];
    let (port, heard) = peer(vec![script]).await;
    let config = encrypted(port, Tls::Opportunistic, None);
    let report = courier(&config)
        .await
        .attempt(&job(&["b@b.example"], "A: b\r\n"))
        .await;
    assert!(
        told(&report)[0].contains("no password is sent"),
        "{report:?}"
    );
    assert_eq!(heard.await.expect("the script was kept to").len(), 1);
}
