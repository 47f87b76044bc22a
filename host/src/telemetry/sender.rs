//! One request to the collector.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::header::{self, HeaderName, HeaderValue};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::Config;
use super::document::document;
use crate::fetch::{self, Link, Target};
use crate::tls::{self, Roots, TlsError, Verification};
use crate::trace::Span;

/// Octets of an answer that are read, so that the connection can be used again.
const MAX_READ: usize = 16 * 1024;
/// Characters of an answer that are told.
const MAX_ANSWER: usize = 200;
/// Statuses after which the same request may be sent again (OTLP/HTTP, "Retryable Response Codes").
const LATER: [u16; 4] = [429, 502, 503, 504];

/// Why spans were not taken, for people.
pub(super) enum Failure {
    /// They are never going to be.
    Refused(String),
    /// Not now.
    Later(String),
}

/// Sends spans to one collector.
pub(super) struct Sender {
    target: Target,
    client: Option<Arc<ClientConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    service: String,
    host: String,
    limit: Duration,
}

impl Sender {
    /// One for this configuration; none when it names no collector.
    ///
    /// # Errors
    /// There is no certificate authority to verify it by.
    pub(super) fn new(config: &Config, hostname: &str) -> Result<Option<Self>, TlsError> {
        // The configuration was checked.
        let Ok(Some(target)) = config.target() else {
            return Ok(None);
        };
        let roots = config.ca_file.clone().map_or(Roots::System, Roots::File);
        let client = target
            .is_https
            .then(|| tls::client_config(&roots, Verification::Required));
        Ok(Some(Self {
            target,
            client: client.transpose()?,
            headers: config.fields().unwrap_or_default(),
            service: config.service_name.clone(),
            host: hostname.to_owned(),
            limit: config.timeout(),
        }))
    }

    /// Sends spans, over the connection at hand or a new one.
    ///
    /// # Errors
    /// Why the collector did not take them.
    pub(super) async fn send(
        &self,
        spans: &[Span],
        link: &mut Option<Link>,
    ) -> Result<(), Failure> {
        let body = document(&self.service, &self.host, spans);
        let answered = timeout(self.limit, self.exchange(body, link)).await;
        let silent = || Err(format!("no answer within {} s", self.limit.as_secs()));
        let (status, text) = match answered.unwrap_or_else(|_| silent()) {
            Ok(answer) => answer,
            Err(reason) => {
                *link = None;
                return Err(Failure::Later(reason));
            }
        };
        match status {
            200..300 => Ok(()),
            _ if LATER.contains(&status) => Err(Failure::Later(format!("{status} {text}"))),
            _ => Err(Failure::Refused(format!("{status} {text}"))),
        }
    }

    async fn exchange(
        &self,
        body: String,
        link: &mut Option<Link>,
    ) -> Result<(u16, String), String> {
        // An idle connection may be closed by the other side at any time: that is no failure yet.
        if let Some(mut known) = link.take().filter(Link::is_open)
            && let Ok(response) = known.ask(self.request(body.clone())?).await
        {
            return self.answer(response, known, link).await;
        }
        let mut new = self.connect().await?;
        let response = new.ask(self.request(body)?).await?;
        self.answer(response, new, link).await
    }

    async fn answer(
        &self,
        response: hyper::Response<hyper::body::Incoming>,
        known: Link,
        link: &mut Option<Link>,
    ) -> Result<(u16, String), String> {
        let status = response.status().as_u16();
        let read = fetch::read(response.into_body(), MAX_READ).await?;
        *link = Some(known).filter(|_| !read.is_cut);
        let text = String::from_utf8_lossy(&read.octets).replace(char::is_control, " ");
        Ok((status, text.trim().chars().take(MAX_ANSWER).collect()))
    }

    fn request(&self, body: String) -> Result<Request<String>, String> {
        let mut request = Request::post(&self.target.path)
            .header(header::HOST, &self.target.authority)
            .header(
                header::USER_AGENT,
                concat!("Gatepost/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, body.len());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(body).map_err(|error| error.to_string())
    }

    async fn connect(&self) -> Result<Link, String> {
        let (host, port) = (self.target.host.as_str(), self.target.port);
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|error| format!("cannot look up {host}: {error}"))?;
        let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        let stream = fetch::connect(&addresses, port).await?;
        match self.client.clone() {
            Some(client) => Link::over(fetch::encrypt(stream, client, host).await?).await,
            None => Link::over(stream).await,
        }
    }
}
