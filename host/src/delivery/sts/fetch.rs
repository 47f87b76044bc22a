//! Fetches a domain's policy: one HTTPS request, with limits on everything (RFC 8461 §3.3).

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::delivery::dns::{Dns, Miss};

/// Time for all of it. A minute, as RFC 8461 §3.3 suggests.
const DEADLINE: Duration = Duration::from_secs(60);
/// Time for one address to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// Octets of a policy, as RFC 8461 §3.3 suggests.
const MAX_OCTETS: usize = 64 * 1024;

/// The policy of a domain as it is published now.
///
/// # Errors
/// With what went wrong, for people.
pub(super) async fn policy(
    dns: &Dns,
    client: Arc<ClientConfig>,
    domain: &str,
    port: u16,
) -> Result<String, String> {
    let host = format!("mta-sts.{domain}");
    let fetched = timeout(DEADLINE, fetch(dns, client, &host, port)).await;
    let fetched = fetched.unwrap_or_else(|_| Err("it takes too long".to_owned()));
    fetched.map_err(|error| format!("cannot fetch the policy from {host}: {error}"))
}

async fn fetch(
    dns: &Dns,
    client: Arc<ClientConfig>,
    host: &str,
    port: u16,
) -> Result<String, String> {
    let stream = connect(dns, host, port).await?;
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| "not a name for TLS".to_owned())?;
    let stream = TlsConnector::from(client).connect(name, stream).await;
    let stream = stream.map_err(|error| format!("TLS failed: {error}"))?;
    let response = ask(stream, host).await?;
    check(&response)?;
    read(response.into_body()).await
}

async fn connect(dns: &Dns, host: &str, port: u16) -> Result<TcpStream, String> {
    let located = dns.locate(host).await.map_err(|miss| match miss {
        Miss::NoName | Miss::NoRecords => "it has no address".to_owned(),
        Miss::Trouble(trouble) => trouble,
    })?;
    let mut last = "it has no address".to_owned();
    for ip in located.addresses {
        match timeout(CONNECT, TcpStream::connect(SocketAddr::new(ip, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => "it does not answer".clone_into(&mut last),
        }
    }
    Err(last)
}

async fn ask(stream: TlsStream<TcpStream>, host: &str) -> Result<Response<Incoming>, String> {
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
    // It ends with the sender and the body that it serves.
    tokio::spawn(connection);
    let request = Request::get("/.well-known/mta-sts.txt")
        .header(header::HOST, host)
        .header(header::ACCEPT, "text/plain")
        .body(String::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await;
    response.map_err(|error| error.to_string())
}

/// RFC 8461 §3.3: no redirects are followed, and the policy is plain text.
fn check(response: &Response<Incoming>) -> Result<(), String> {
    if response.status() != StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("text/plain") {
        return Err(format!("it is `{kind}` instead of text/plain"));
    }
    Ok(())
}

async fn read(mut body: Incoming) -> Result<String, String> {
    let mut octets = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(data) = frame.data_ref() {
            octets.extend_from_slice(data);
        }
        if octets.len() > MAX_OCTETS {
            return Err(format!("it is larger than {MAX_OCTETS} octets"));
        }
    }
    String::from_utf8(octets).map_err(|_| "it is not text".to_owned())
}
