//! What an administrator has stopped: its mail waits until it is started again.

use std::fmt;

use super::Destination;
use crate::clock::Timestamp;
use crate::smtp::Mailbox;

/// What can be stopped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopScope {
    /// All mail.
    All,
    /// The mail of a list, by its number.
    List(i64),
    /// Mail to recipients of a domain, in A-label form, or over the next hop of this name.
    Destination(String),
}

impl StopScope {
    /// A destination as an administrator writes it: a domain, `smarthost`, `route:NAME` or `maildir`; none when
    /// it is no name.
    pub fn destination(text: &str) -> Option<Self> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
        let name = if text.starts_with("route:") {
            text.to_owned()
        } else {
            canonical_domain(text.trim_start_matches('@'))
        };
        let is_name = !name.is_empty() && !name.contains(is_odd);
        is_name.then_some(Self::Destination(name))
    }
}

/// Something that is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What.
    pub scope: StopScope,
    /// Since when.
    pub at: Timestamp,
    /// Who stopped it, for people.
    pub by: String,
    /// Why, for people; it may be empty.
    pub reason: String,
}

/// All that is stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stops(Vec<StopScope>);

impl Stops {
    /// True while nothing at all may be sent.
    pub fn is_all(&self) -> bool {
        self.0.contains(&StopScope::All)
    }

    /// True when mail of a list to this recipient over this next hop waits. A stop of everything does
    /// not count: it concerns no message more than another.
    pub fn covers(&self, list: Option<i64>, to: &Mailbox, over: &Destination) -> bool {
        self.covers_list(list) || self.covers_destination(over) || self.covers_domain(to)
    }

    /// True when this list is stopped.
    pub fn covers_list(&self, list: Option<i64>) -> bool {
        let is_it = |scope: &StopScope| matches!(scope, StopScope::List(id) if Some(*id) == list);
        self.0.iter().any(is_it)
    }

    /// True when this next hop is stopped.
    pub fn covers_destination(&self, over: &Destination) -> bool {
        let mut names = self.destinations().peekable();
        names.peek().is_some() && {
            let over = over.to_string();
            let is_it = |name: &String| match over.strip_prefix(name.as_str()) {
                // A route that leads to many domains is one next hop for whoever stops it.
                Some(rest) => {
                    rest.is_empty() || (rest.starts_with('/') && name.starts_with("route:"))
                }
                None => false,
            };
            names.any(is_it)
        }
    }

    fn covers_domain(&self, to: &Mailbox) -> bool {
        let mut names = self.destinations().peekable();
        names.peek().is_some() && {
            let domain = canonical_domain(to.domain());
            names.any(|name| *name == domain)
        }
    }

    fn destinations(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter_map(|scope| match scope {
            StopScope::Destination(name) => Some(name),
            StopScope::All | StopScope::List(_) => None,
        })
    }

    /// What is stopped here and not in `others`.
    pub fn beyond(&self, others: &Self) -> Self {
        let is_new = |scope: &&StopScope| !others.0.contains(scope);
        Self(self.0.iter().filter(is_new).cloned().collect())
    }

    /// True when nothing is stopped.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// For logs: `list number 7, example.net`, or `nothing`.
impl fmt::Display for Stops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |scope: &StopScope| match scope {
            StopScope::All => "all mail".to_owned(),
            StopScope::List(id) => format!("list number {id}"),
            StopScope::Destination(name) => name.clone(),
        };
        let names: Vec<String> = self.0.iter().map(name).collect();
        if names.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&names.join(", "))
    }
}

impl FromIterator<StopScope> for Stops {
    fn from_iter<I: IntoIterator<Item = StopScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// A domain in the form in which domains are compared: A-labels, lower case, without a dot at the end.
pub fn canonical_domain(domain: &str) -> String {
    let domain = domain.trim_end_matches('.');
    if domain.starts_with('[') {
        return domain.to_ascii_lowercase();
    }
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse_utf8(text).expect("a mailbox")
    }

    #[test]
    fn a_stop_covers_its_list_its_domain_and_its_next_hop_alone() {
        let mx = |name: &str| Destination::Domain(name.to_owned());
        let cases = [
            (
                StopScope::List(1),
                Some(1),
                "a@b.example",
                Destination::Smarthost,
                true,
            ),
            (
                StopScope::List(1),
                Some(2),
                "a@b.example",
                Destination::Smarthost,
                false,
            ),
            (
                StopScope::List(1),
                None,
                "a@b.example",
                Destination::Smarthost,
                false,
            ),
            (
                named("b.example"),
                None,
                "a@B.Example",
                Destination::Smarthost,
                true,
            ),
            (
                named("b.example"),
                None,
                "a@sub.b.example",
                mx("sub.b.example"),
                false,
            ),
            (
                named("xn--mller-kva.example"),
                None,
                "a@müller.example",
                Destination::Smarthost,
                true,
            ),
            (
                named("smarthost"),
                None,
                "a@b.example",
                Destination::Smarthost,
                true,
            ),
            (
                named("smarthost"),
                None,
                "a@b.example",
                mx("b.example"),
                false,
            ),
            (
                named("route:archive"),
                None,
                "a@b.example",
                Destination::Route("archive".into()),
                true,
            ),
            (
                named("route:direct"),
                None,
                "a@b.example",
                over_route("direct"),
                true,
            ),
            (
                named("route:direct"),
                None,
                "a@b.example",
                over_route("directly"),
                false,
            ),
            (
                StopScope::All,
                Some(1),
                "a@b.example",
                Destination::Smarthost,
                false,
            ),
        ];
        let over_route = Destination::RouteDomain {
            route: "archive".into(),
            domain: "b.example".into(),
        };
        let stops: Stops = [named("route:archive")].into_iter().collect();
        assert!(stops.covers_destination(&over_route));
        for (scope, list, to, over, expected) in cases {
            let stops: Stops = [scope.clone()].into_iter().collect();
            let found = stops.covers(list, &mailbox(to), &over);
            assert_eq!(found, expected, "{scope:?} {list:?} {to} {over}");
        }
    }

    fn over_route(name: &str) -> Destination {
        Destination::RouteDomain {
            route: name.to_owned(),
            domain: "b.example".to_owned(),
        }
    }

    fn named(name: &str) -> StopScope {
        StopScope::Destination(name.to_owned())
    }

    #[test]
    fn what_is_new_is_what_the_others_have_not() {
        let all = |scopes: &[StopScope]| scopes.iter().cloned().collect::<Stops>();
        let (one, two) = (StopScope::List(1), named("b.example"));
        let new = all(&[one.clone(), two.clone()]).beyond(&all(&[one]));
        assert_eq!(new, all(&[two]));
    }
}
