//! Looks at every request before a page does: who it is, and that a form is ours, which `form` reads.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::Site;
use super::answer::see_other;
use super::cookies::{FLASH, SESSION, VISIT, cookie, set_cookie};
use super::errors::{self, UiError};
use super::form;
use super::frame::Flash;
use crate::admin::Config;
use crate::admin::service::Signed;
use crate::http::Client;
use crate::operators::{Actor, Token};

/// What tokens in forms are derived for.
const FORMS: &str = "gatepost panel: forms";

/// A request as far as every page needs it. Cheap to clone.
#[derive(Clone)]
pub struct Visit {
    /// Where it comes from.
    pub client: IpAddr,
    /// Whether the browser speaks HTTPS, to us or to a proxy of ours.
    pub is_https: bool,
    /// What forms are bound to: the session's token, or that of the visit before.
    pub token: Token,
    /// Who is signed in.
    pub signed: Option<Signed>,
    /// What happened at the request before.
    pub flash: Option<Flash>,
    /// Path and query, to come back to.
    pub path: String,
}

impl Visit {
    /// The token that forms of this visit carry.
    pub fn form_token(&self) -> String {
        self.token.derived(FORMS)
    }

    /// Says something on the next page.
    pub fn say(&self, mut response: Response, flash: &Flash) -> Response {
        let value = flash.sealed(&self.token);
        set_cookie(&mut response, FLASH, &value, Some(60), self.is_https);
        response
    }
}

/// Who is signed in, for pages behind [`only_signed_in`].
#[derive(Clone)]
pub struct Visitor {
    /// The request.
    pub visit: Visit,
    /// Who asks.
    pub actor: Actor,
    /// The session.
    pub signed: Signed,
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = UiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, UiError> {
        let looked_at = parts.extensions.get::<Self>().cloned();
        looked_at.ok_or_else(UiError::unavailable)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = UiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, UiError> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let Some(signed) = visit.signed.clone() else {
            return Err(UiError::unavailable());
        };
        let actor = signed.operator.actor();
        Ok(Self {
            visit,
            actor,
            signed,
        })
    }
}

/// Finds out who it is, reads a form and refuses what is not one of ours.
pub async fn look(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let (client, is_https) = client(&request, &site.config);
    let header = request.headers();
    let session = cookie(header, SESSION, is_https).and_then(Token::parse);
    let signed = match &session {
        Some(token) => match site.service.signed(token).await {
            Ok(signed) => signed,
            Err(error) => return errors::plain(&error),
        },
        None => None,
    };
    let visited = cookie(header, VISIT, is_https).and_then(Token::parse);
    let is_new = signed.is_none() && visited.is_none();
    let token = match (session, &signed) {
        (Some(token), Some(_)) => token,
        _ => visited.unwrap_or_else(Token::generate),
    };
    let said = cookie(header, FLASH, is_https).map(str::to_owned);
    let flash = said.as_deref().and_then(|text| Flash::open(text, &token));
    let path = request.uri().path_and_query();
    let visit = Visit {
        client,
        is_https,
        token,
        signed,
        flash,
        path: path.map_or("/", |path| path.as_str()).to_owned(),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        request = match form::take(&site, &visit, request).await {
            Ok(request) => request,
            Err(refused) => return refused,
        };
    }
    let is_page = request.method() == Method::GET;
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    if is_new {
        let value = visit.token.expose();
        set_cookie(&mut response, VISIT, value, None, is_https);
    }
    if said.is_some() && is_page && response.status() == StatusCode::OK {
        set_cookie(&mut response, FLASH, "", Some(0), is_https);
    }
    response
}

/// Sends whoever is not signed in to the page where that is done.
pub async fn only_signed_in(visit: Visit, request: Request, next: Next) -> Response {
    if visit.signed.is_some() {
        return next.run(request).await;
    }
    if *request.method() != Method::GET || visit.path == "/" {
        return see_other("/sign-in");
    }
    see_other(&format!("/sign-in?next={}", as_query(&visit.path)))
}

/// A text as the value of a query.
pub fn as_query(path: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    };
    path.bytes().map(octet).collect()
}

/// Who asks, and how: a proxy of ours tells of its client, the last it saw being the one it vouches for.
pub(in crate::admin) fn client(request: &Request, config: &Config) -> (IpAddr, bool) {
    let connection = request.extensions().get::<Client>();
    let Some(connection) = connection else {
        return (Ipv4Addr::UNSPECIFIED.into(), false);
    };
    let address = connection.address.ip().to_canonical();
    let is_told_https = config
        .url
        .as_ref()
        .is_some_and(|url| url.starts_with("https://"));
    if !config.proxies.contains(&address) {
        return (address, connection.is_https || is_told_https);
    }
    let last = |name: &str| {
        let field = request.headers().get_all(name).iter().next_back()?;
        field.to_str().ok()?.rsplit(',').next().map(str::trim)
    };
    let told = last("x-forwarded-for").and_then(|text| text.parse().ok());
    let is_https = last("x-forwarded-proto").is_some_and(|proto| proto == "https");
    (
        told.unwrap_or(address),
        is_https || is_told_https || connection.is_https,
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_named_proxy_is_believed() {
        let mut request = Request::new(Body::empty());
        let address = "10.0.0.1:4000".parse().expect("an address");
        request.extensions_mut().insert(Client {
            address,
            is_https: false,
        });
        let said = HeaderValue::from_static("203.0.113.9, 198.51.100.7");
        request.headers_mut().insert("x-forwarded-for", said);
        let https = HeaderValue::from_static("https");
        request.headers_mut().insert("x-forwarded-proto", https);
        let config = Config::default();
        assert_eq!(client(&request, &config), (address.ip(), false));
        let believing = Config {
            proxies: vec![address.ip()],
            ..config
        };
        let told: IpAddr = "198.51.100.7".parse().expect("an address");
        assert_eq!(client(&request, &believing), (told, true));
    }

    #[test]
    fn a_path_becomes_the_value_of_a_query() {
        assert_eq!(as_query("/lists/1?a=b&c=d"), "/lists/1%3Fa%3Db%26c%3Dd");
    }
}
