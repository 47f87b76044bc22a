//! A URL, as far as a request needs it.

use hyper::Uri;

/// Octets of a URL. 2,000: what every server takes.
const MAX_URL: usize = 2000;
/// Where a request goes, as a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host, without brackets.
    pub host: String,
    /// As it stands in the Host field.
    pub authority: String,
    /// The port.
    pub port: u16,
    /// The path with its query.
    pub path: String,
    /// Whether it is encrypted.
    pub is_https: bool,
}

impl Target {
    /// Reads a URL of the form `https://HOST[:PORT]/PATH`, or with `http://`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url.len() > MAX_URL {
            return Err(format!("the URL is longer than {MAX_URL} octets"));
        }
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("{url:?} is not a URL: {error}"))?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("{url:?} does not begin with https://")),
        };
        let authority = uri.authority().ok_or("the URL names no host")?;
        if authority.as_str().contains('@') {
            return Err("the URL holds a user name, which nobody would be told".to_owned());
        }
        let host = authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("the URL names no host".to_owned());
        }
        let default = if is_https { 443 } else { 80 };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            host: host.to_owned(),
            authority: authority.to_string(),
            port: authority.port_u16().unwrap_or(default),
            path: path.to_owned(),
            is_https,
        })
    }
}
