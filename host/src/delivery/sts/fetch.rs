//! Fetches a domain's policy: one HTTPS request, with limits on everything (RFC 8461 §3.3).

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode, header};
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::delivery::dns::{Dns, Miss};
use crate::fetch as https;

/// Time for all of it. A minute, as RFC 8461 §3.3 suggests.
const DEADLINE: Duration = Duration::from_secs(60);
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
    let located = dns.locate(host).await.map_err(|miss| match miss {
        Miss::NoName | Miss::NoRecords => "it has no address".to_owned(),
        Miss::Trouble(trouble) => trouble,
    })?;
    let stream = https::connect(&located.addresses, port).await?;
    let stream = https::encrypt(stream, client, host).await?;
    let request = Request::get("/.well-known/mta-sts.txt")
        .header(header::HOST, host)
        .header(header::ACCEPT, "text/plain")
        .body(String::new())
        .map_err(|error| error.to_string())?;
    let response = https::Link::over(stream).await?.ask(request).await?;
    check(&response)?;
    text(response.into_body()).await
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

async fn text(body: Incoming) -> Result<String, String> {
    let read = https::read(body, MAX_OCTETS).await?;
    if read.is_cut {
        return Err(format!("it is larger than {MAX_OCTETS} octets"));
    }
    String::from_utf8(read.octets).map_err(|_| "it is not text".to_owned())
}
