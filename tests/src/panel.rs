//! A browser without a screen: keeps cookies, sends forms with their token, and reads pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::http::{self, Answer};
use crate::relay::{Relay, Setup, free_port};
use crate::wait;

/// Redirects followed in a row.
const MAX_REDIRECTS: usize = 5;
/// What stands between the parts of a form with files.
const BOUNDARY: &str = "a-boundary-of-these-tests";
/// The password of everybody who signs in by [`Paneled::operator`] and its kind.
pub const PASSWORD: &str = "correct horse battery";

/// A relay with a panel, and the panel's port.
pub struct Paneled {
    /// The relay.
    pub relay: Relay,
    /// The panel's port on loopback.
    pub port: u16,
}

impl Paneled {
    /// Starts a relay that delivers into a folder, with a panel.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        Self::with(Setup::maildir(), "")
    }

    /// The same with this setup, and more keys and tables of `[panel]`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn with(setup: Setup, keys: &str) -> Self {
        let port = free_port();
        let table = format!("\n[panel]\naddress = \"127.0.0.1:{port}\"\n{keys}\n");
        let relay = Relay::start(&setup.with(&table));
        // It takes mail a moment before.
        wait::until("the first operator is made", wait::PATIENCE, || {
            let operators = relay.json(&["operator", "list"]);
            operators.as_array().is_some_and(|all| !all.is_empty())
        });
        Self { relay, port }
    }

    /// A browser that is signed in as an operator named `admin`.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn operator(&self) -> Browser {
        self.signed_in("root", &[])
    }

    /// A browser that is signed in as a list manager of these lists.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn manager(&self, name: &str, lists: &[&str]) -> Browser {
        let mut options = vec!["--role", "list-manager"];
        for list in lists {
            options.extend(["--list", list]);
        }
        self.signed_in(name, &options)
    }

    /// A browser that nobody has signed in with.
    pub fn browser(&self) -> Browser {
        Browser::new(self.port)
    }

    /// The path of a fresh one-time link of a new operator.
    ///
    /// # Panics
    /// When none can be had.
    #[track_caller]
    pub fn link(&self, name: &str, options: &[&str]) -> String {
        let made = self
            .relay
            .json(&[&["operator", "add", name], options].concat());
        path_of(made["link"].as_str().expect("a link"))
    }

    /// A browser that is signed in as a new operator of this name; `options` are those of `operator add`.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn signed_in(&self, name: &str, options: &[&str]) -> Browser {
        let link = self.link(name, options);
        let mut browser = self.browser();
        browser.open(&link);
        let chosen = [("password", PASSWORD), ("again", PASSWORD)];
        let answer = browser.submit(&link, &chosen);
        assert_eq!(answer.status, 200, "{}", answer.body);
        browser
    }
}

/// The path of a link.
///
/// # Panics
/// When it is none.
#[track_caller]
pub fn path_of(link: &str) -> String {
    let (_, rest) = link.split_once("://").expect("a link");
    rest[rest.find('/').expect("a path")..].to_owned()
}

/// A browser.
#[derive(Clone, Debug)]
pub struct Browser {
    port: u16,
    /// The cookies it holds.
    pub cookies: BTreeMap<String, String>,
    /// The page it shows.
    pub page: String,
    /// The path of that page.
    pub path: String,
}

impl Browser {
    /// For a panel on this port of loopback.
    pub const fn new(port: u16) -> Self {
        Self {
            port,
            cookies: BTreeMap::new(),
            page: String::new(),
            path: String::new(),
        }
    }

    /// One GET, without following anything.
    ///
    /// # Panics
    /// When there is no response.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        let cookies = self.cookie_field();
        let host = self.host();
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{cookies}Connection: close\r\n\r\n");
        self.exchange(path, &text)
    }

    /// Opens a page, wherever it leads.
    ///
    /// # Panics
    /// When it leads nowhere.
    #[track_caller]
    pub fn open(&mut self, path: &str) -> Answer {
        let answer = self.get(path);
        self.follow(answer)
    }

    /// Sends a form as the page shows it, with its token, wherever it leads.
    ///
    /// # Panics
    /// When it leads nowhere.
    #[track_caller]
    pub fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token();
        let fields = [&[("csrf", token.as_str())], fields].concat();
        let answer = self.post(path, &fields);
        self.follow(answer)
    }

    /// One POST of exactly these fields, without following anything.
    ///
    /// # Panics
    /// When there is no response.
    #[track_caller]
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("Origin: http://{}\r\n", self.host());
        self.post_from(&origin, path, fields)
    }

    /// The same with these header fields in place of the origin.
    ///
    /// # Panics
    /// When there is no response.
    #[track_caller]
    pub fn post_from(&mut self, header: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let body = pairs.join("&");
        let cookies = self.cookie_field();
        let (host, length) = (self.host(), body.len());
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n{header}{cookies}Connection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.exchange(path, &text)
    }

    /// Sends a form with files as the page shows it, with its token, wherever it leads. A file is a field, a name and a text.
    ///
    /// # Panics
    /// When it leads nowhere.
    #[track_caller]
    pub fn upload(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &str)],
    ) -> Answer {
        let token = self.form_token();
        let fields = [&[("csrf", token.as_str())], fields].concat();
        let body = in_parts(&fields, files);
        let (host, cookies, length) = (self.host(), self.cookie_field(), body.len());
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{cookies}Connection: close\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = self.exchange(path, &text);
        self.follow(answer)
    }

    /// The value of a hidden field of the page; empty when it has none.
    pub fn hidden(&self, name: &str) -> String {
        let marker = format!("<input type=\"hidden\" name=\"{name}\" value=\"");
        let found = self.page.split_once(&marker);
        let value = found.and_then(|(_, rest)| rest.split_once('"'));
        value.map_or_else(String::new, |(value, _)| value.to_owned())
    }

    /// The token that forms of the page carry; empty when it has none.
    pub fn form_token(&self) -> String {
        let marker = "<meta name=\"csrf\" content=\"";
        let found = self.page.split_once(marker);
        let token = found.and_then(|(_, rest)| rest.split_once('"'));
        token.map_or_else(String::new, |(token, _)| token.to_owned())
    }

    /// Ends the test unless the page has this text.
    ///
    /// # Panics
    /// When it has not.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        assert!(
            self.page.contains(text),
            "no {text:?} in {}:\n{}",
            self.path,
            self.page
        );
    }

    /// Ends the test when the page has this text.
    ///
    /// # Panics
    /// When it has.
    #[track_caller]
    pub fn does_not_show(&self, text: &str) {
        assert!(
            !self.page.contains(text),
            "{text:?} in {}:\n{}",
            self.path,
            self.page
        );
    }

    #[track_caller]
    fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..MAX_REDIRECTS {
            if !(300..400).contains(&answer.status) {
                return answer;
            }
            let path = answer.field("location").to_owned();
            answer = self.get(&path);
        }
        panic!("{} leads nowhere", self.path);
    }

    #[track_caller]
    fn exchange(&mut self, path: &str, text: &str) -> Answer {
        let answer = http::request(self.port, text);
        for (name, value) in &answer.header {
            if name == "set-cookie" {
                self.keep(value);
            }
        }
        if !(300..400).contains(&answer.status) {
            self.page.clone_from(&answer.body);
            path.clone_into(&mut self.path);
        }
        answer
    }

    fn keep(&mut self, field: &str) {
        let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    fn cookie_field(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            return String::new();
        }
        format!("Cookie: {}\r\n", pairs.join("; "))
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// As a form with files is written (`multipart/form-data`, RFC 7578).
fn in_parts(fields: &[(&str, &str)], files: &[(&str, &str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        let _ = write!(
            body,
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    for (name, file, text) in files {
        let _ = write!(
            body,
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
             Content-Type: text/csv\r\n\r\n{text}\r\n"
        );
    }
    body + "--" + BOUNDARY + "--\r\n"
}

/// As a form is written (`application/x-www-form-urlencoded`).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, octet| {
        if octet.is_ascii_alphanumeric() || b"-._".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            let _ = write!(encoded, "%{octet:02X}");
        }
        encoded
    })
}
