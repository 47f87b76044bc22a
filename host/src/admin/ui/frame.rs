//! What every page has around it: who is signed in, where one can go, and what has just happened.

use axum::extract::Query;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::Site;
use super::assets::{CSS, ICON, JS};
use super::visit::{Visit, Visitor};
use crate::accounts::List;
use crate::operators::{Actor, Token};

/// What notes between pages are sealed for.
const NOTES: &str = "gatepost panel: notes";
/// Octets of a note at most, so that it fits a cookie.
const MAX_NOTE_OCTETS: usize = 1000;

/// Where one can go from everywhere: a key, the word, the path, and whether for operators alone.
const PLACES: &[(&str, &str, &str, bool)] = &[
    ("lists", "Lists", "/lists", false),
    ("messages", "Messages", "/messages", true),
    ("queue", "Queue", "/queue", true),
    ("statistics", "Statistics", "/statistics", true),
    ("alerts", "Alerts", "/alerts", true),
    ("policies", "Policies", "/policies", true),
    ("nodes", "Nodes", "/nodes", true),
    ("operators", "Operators", "/operators", true),
];
/// Is of use where relays share a store.
const SHARED: &str = "nodes";
/// Where one can go within a list: a key, the word, and the path below the list's.
const OF_LIST: &[(&str, &str, &str)] = &[
    ("home", "Home", ""),
    ("messages", "Messages", "/messages"),
    ("write", "Write a message", "/write"),
    ("queue", "Queue", "/queue"),
    ("statistics", "Statistics", "/statistics"),
    ("alerts", "Alerts", "/alerts"),
    ("settings", "Settings", "/smtp"),
];

/// The frame of a page.
pub struct Frame {
    /// What the browser's tab says.
    pub title: String,
    /// The paths of the files that pages use.
    pub css: &'static str,
    /// The script.
    pub js: &'static str,
    /// The icon.
    pub icon: &'static str,
    /// The name of the relay.
    pub relay: String,
    /// Who is signed in.
    pub actor: Option<Actor>,
    /// What forms carry.
    pub csrf: String,
    /// What happened at the request before.
    pub flash: Option<Flash>,
    /// Where one can go.
    pub places: Vec<Place>,
    /// The list whose page it is.
    pub list: Option<ListFrame>,
}

/// A link of the navigation.
pub struct Place {
    /// What it says.
    pub name: &'static str,
    /// Where it goes.
    pub path: String,
    /// Whether one is there.
    pub is_here: bool,
}

/// What the pages of a list have in common.
pub struct ListFrame {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Where one can go within it.
    pub places: Vec<Place>,
}

impl Site {
    /// The frame of a page for whoever is signed in; `here` is the key of its place.
    pub fn frame(&self, visitor: &Visitor, title: impl Into<String>, here: &str) -> Frame {
        let actor = &visitor.actor;
        let is_shared = self.service.is_shared();
        let allowed = PLACES
            .iter()
            .filter(|place| !place.3 || actor.is_operator())
            .filter(|place| is_shared || place.0 != SHARED);
        let places = allowed.map(|(key, name, path, _)| Place {
            name,
            path: (*path).to_owned(),
            is_here: *key == here,
        });
        Frame {
            actor: Some(actor.clone()),
            places: places.collect(),
            ..self.bare_frame(&visitor.visit, title)
        }
    }

    /// The frame of a page of a list.
    pub fn list_frame(
        &self,
        visitor: &Visitor,
        list: &List,
        title: impl Into<String>,
        here: &str,
    ) -> Frame {
        let title = format!("{} · {}", title.into(), list.name);
        let places = OF_LIST.iter().map(|(key, name, path)| Place {
            name,
            path: format!("/lists/{}{path}", list.id),
            is_here: *key == here,
        });
        let of_list = ListFrame {
            id: list.id,
            name: list.name.clone(),
            places: places.collect(),
        };
        Frame {
            list: Some(of_list),
            ..self.frame(visitor, title, "lists")
        }
    }

    /// The frame of a page for whoever is not signed in.
    pub fn bare_frame(&self, visit: &Visit, title: impl Into<String>) -> Frame {
        Frame {
            title: title.into(),
            css: &CSS.path,
            js: &JS.path,
            icon: &ICON.path,
            relay: self.service.relay().display_name.clone(),
            actor: None,
            csrf: visit.form_token(),
            flash: visit.flash.clone(),
            places: Vec::new(),
            list: None,
        }
    }
}

/// What the next page says at its top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// False when something was not done.
    pub is_good: bool,
    /// What happened.
    pub text: String,
}

impl Flash {
    /// Something was done.
    pub fn done(text: impl Into<String>) -> Self {
        let is_good = true;
        let text = text.into();
        Self { is_good, text }
    }

    /// Something was not done.
    pub fn not_done(text: impl Into<String>) -> Self {
        let is_good = false;
        let text = text.into();
        Self { is_good, text }
    }

    /// As the value of a cookie that only who holds the token can have made.
    pub fn sealed(&self, token: &Token) -> String {
        let mut end = self.text.len().min(MAX_NOTE_OCTETS);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let kind = if self.is_good { '+' } else { '-' };
        let text = format!("{kind}{}", &self.text[..end]);
        let seal = token.seal(NOTES, &text);
        format!("{}.{seal}", URL_SAFE_NO_PAD.encode(text))
    }

    /// From such a value; none when it was made by somebody else.
    pub fn open(value: &str, token: &Token) -> Option<Self> {
        let (text, seal) = value.split_once('.')?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        if token.seal(NOTES, &text) != seal {
            return None;
        }
        let is_good = text.starts_with('+');
        let text = text.get(1..)?.to_owned();
        Some(Self { is_good, text })
    }
}

/// What listings are asked by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// What is looked for.
    pub q: String,
    /// The page's number.
    pub page: Option<u32>,
}

impl Wanted {
    /// From a query, without blanks around the text.
    pub fn of(query: Query<Self>) -> Self {
        let Query(Self { q, page }) = query;
        Self {
            q: q.trim().to_owned(),
            page,
        }
    }

    /// The page's number, from 1.
    pub fn number(&self) -> u32 {
        self.page.unwrap_or(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reaches_its_own_browser_alone() {
        let token = Token::generate();
        for flash in [Flash::done("saved; \"ü\""), Flash::not_done("no")] {
            let value = flash.sealed(&token);
            assert!(
                value
                    .bytes()
                    .all(|octet| octet.is_ascii_graphic() && octet != b';')
            );
            assert_eq!(Flash::open(&value, &token), Some(flash));
            assert_eq!(Flash::open(&value, &Token::generate()), None);
        }
        assert_eq!(Flash::open("x", &token), None);
    }

    #[test]
    fn a_long_note_is_cut_where_a_character_ends() {
        let token = Token::generate();
        let value = Flash::done("ü".repeat(999)).sealed(&token);
        let opened = Flash::open(&value, &token).expect("a note");
        assert_eq!(opened.text, "ü".repeat(500));
    }
}
