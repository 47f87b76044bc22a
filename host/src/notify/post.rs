//! One post to a webhook: where it may go, how it is signed, what came back.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use hyper::body::Incoming;
use hyper::{Request, Response, header};
use rustls::ClientConfig;
use sha2::Sha256;
use tokio::time::timeout;

use super::Config;
use crate::alert::{Event, Webhook};
use crate::clock::Timestamp;
use crate::fetch::{self, Link, Target, Wall};

/// Octets of an answer that are kept. 200: a line that says what is wrong.
const MAX_ANSWER: usize = 200;
/// Octets of an answer that are read, so that the connection can be used again.
const MAX_READ: usize = 16 * 1024;

/// What a receiver said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its status code.
    pub(super) status: u16,
    /// The beginning of its text, on one line.
    pub(super) text: String,
}

/// Posts events.
pub(super) struct Poster {
    wall: Wall,
    client: Option<Arc<ClientConfig>>,
    limit: Duration,
}

impl Poster {
    pub(super) fn new(config: &Config, client: Option<Arc<ClientConfig>>) -> Self {
        Self {
            wall: Wall::allowing(config.allow_private.clone()),
            client,
            limit: Duration::from_secs(config.webhook_timeout_s.max(1)),
        }
    }

    /// Posts an event, over the connection at hand or a new one, which is left at hand when it can be used again.
    ///
    /// # Errors
    /// Why there is no answer, for people.
    pub(super) async fn post(
        &self,
        hook: &Webhook,
        event: &Event,
        link: &mut Option<Link>,
    ) -> Result<Answer, String> {
        let posted = timeout(self.limit, self.exchange(hook, event, link)).await;
        posted.unwrap_or_else(|_| {
            *link = None;
            Err(format!("no answer within {} s", self.limit.as_secs()))
        })
    }

    async fn exchange(
        &self,
        hook: &Webhook,
        event: &Event,
        link: &mut Option<Link>,
    ) -> Result<Answer, String> {
        let target = Target::parse(&hook.url)?;
        let now = Timestamp::now();
        if let Some(mut known) = link.take().filter(Link::is_open)
            && let Ok(response) = known.ask(request(&target, hook, event, now)?).await
        {
            let (answer, is_read) = answer(response).await?;
            *link = Some(known).filter(|_| is_read);
            return Ok(answer);
        }
        // An idle connection may be closed by the other side at any time: that is no failure yet.
        let mut new = self.connect(&target).await?;
        let response = new.ask(request(&target, hook, event, now)?).await?;
        let (answer, is_read) = answer(response).await?;
        *link = Some(new).filter(|_| is_read);
        Ok(answer)
    }

    async fn connect(&self, target: &Target) -> Result<Link, String> {
        let addresses = self.addresses(target).await?;
        let stream = fetch::connect(&addresses, target.port).await?;
        if !target.is_https {
            return Link::over(stream).await;
        }
        let none =
            || "there is no certificate authority to verify by; set notify.ca-file".to_owned();
        let client = self.client.clone().ok_or_else(none)?;
        Link::over(fetch::encrypt(stream, client, &target.host).await?).await
    }

    /// The addresses that are connected to are those that were looked at: a name that leads elsewhere a moment
    /// later (DNS rebinding) gains nothing.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, String> {
        let looked_up = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let found =
            looked_up.map_err(|error| format!("cannot look up {}: {error}", target.host))?;
        let found: Vec<IpAddr> = found.map(|address: SocketAddr| address.ip()).collect();
        let mut refused = format!("{} has no address", target.host);
        let mut open = Vec::new();
        for address in found {
            match self.check(target, address) {
                Ok(()) => open.push(address),
                Err(reason) => refused = reason,
            }
        }
        if open.is_empty() {
            return Err(refused);
        }
        Ok(open)
    }

    fn check(&self, target: &Target, address: IpAddr) -> Result<(), String> {
        let hint = "notify.allow-private can allow it";
        let checked = self.wall.check(address);
        checked.map_err(|reason| format!("{} is not posted to: {reason}; {hint}", target.host))?;
        if target.is_https || self.wall.allows(address) {
            return Ok(());
        }
        Err(format!(
            "plain http:// is for networks of notify.allow-private alone; use https:// for {}",
            target.host
        ))
    }
}

fn request(
    target: &Target,
    hook: &Webhook,
    event: &Event,
    now: Timestamp,
) -> Result<Request<String>, String> {
    let signature = signature(hook.secret.expose(), now, &event.body);
    Request::post(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, event.body.len())
        .header(
            header::USER_AGENT,
            concat!("Gatepost/", env!("CARGO_PKG_VERSION")),
        )
        .header("Gatepost-Event", &event.id)
        .header("Gatepost-Signature", signature)
        .body(event.body.clone())
        .map_err(|error| error.to_string())
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 over `SECONDS.BODY`, so that an old post cannot be replayed as a new one.
fn signature(secret: &str, now: Timestamp, body: &str) -> String {
    let seconds = now.as_millis() / 1000;
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    let mut text = format!("t={seconds},v1=");
    for octet in mac.finalize().into_bytes() {
        // Writing to a text does not fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// The answer, and whether all of it was read.
async fn answer(response: Response<Incoming>) -> Result<(Answer, bool), String> {
    let status = response.status().as_u16();
    let read = fetch::read(response.into_body(), MAX_READ).await?;
    let text = String::from_utf8_lossy(&read.octets).replace(char::is_control, " ");
    let text: String = text.trim().chars().take(MAX_ANSWER).collect();
    Ok((Answer { status, text }, !read.is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_by_https() {
        let target = Target::parse("https://hooks.example.com/a/b?c=d").expect("a URL");
        assert_eq!(
            (target.host.as_str(), target.port),
            ("hooks.example.com", 443)
        );
        assert_eq!((target.path.as_str(), target.is_https), ("/a/b?c=d", true));
        let target = Target::parse("http://[::1]:8080").expect("a URL");
        assert_eq!((target.host.as_str(), target.port), ("::1", 8080));
        assert_eq!((target.path.as_str(), target.is_https), ("/", false));
        for url in [
            "",
            "hooks.example.com/a",
            "ftp://hooks.example.com/",
            "https://",
            "https:///a",
            "https://user:password@hooks.example.com/",
            "file:///etc/passwd",
            "gopher://x/",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_signature_is_that_of_the_documentation() {
        // printf '1700000000.{"id":"x"}' | openssl dgst -sha256 -hmac secret
        let now = Timestamp::from_millis(1_700_000_000_999);
        let signed = signature("secret", now, r#"{"id":"x"}"#);
        assert_eq!(
            signed,
            "t=1700000000,v1=2f7852138f9dbd8d61c07c2cfb0b8ac96a46a32d78d4527788fb42fcb409a493"
        );
    }

    #[tokio::test]
    async fn no_way_of_writing_an_address_leads_inside() {
        let poster = Poster::new(&Config::default(), None);
        for url in [
            "https://127.0.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://0.0.0.0/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://127.1/",
        ] {
            let Ok(target) = Target::parse(url) else {
                continue;
            };
            let found = poster.addresses(&target).await;
            assert!(found.is_err(), "{url} leads to {found:?}");
        }
    }
}
