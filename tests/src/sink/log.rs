//! What the sink remembers: each delivery in order, and how often each id came.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Instant;

/// A message the sink has answered `250`.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The value of its X-Test-Id field; empty without one.
    pub id: String,
    /// When its final dot was answered.
    pub at: Instant,
    /// The reverse-path as it came, with its angle brackets and parameters.
    pub from: String,
    /// The forward-paths that were accepted, likewise.
    pub to: Vec<String>,
    /// The beginning of its content, dot-stuffed, as far as the script says.
    pub content: Vec<u8>,
    /// Octets of its content without the final dot.
    pub size: usize,
    /// It came over TLS.
    pub is_encrypted: bool,
    /// Where the connection came from.
    pub peer: Option<IpAddr>,
}

impl Delivery {
    /// The content as text, for assertions.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    /// The content as it was before dot-stuffing, as far as it was kept.
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.content.len());
        for line in self.content.split_inclusive(|&octet| octet == b'\n') {
            // RFC 5321 §4.5.2
            let line = line.strip_prefix(b".").unwrap_or(line);
            octets.extend_from_slice(line);
        }
        octets
    }

    /// The header section with its folded lines joined, one field a line.
    pub fn header(&self) -> String {
        let text = self.text();
        let end = text.find("\r\n\r\n").unwrap_or(text.len());
        text[..end].replace("\r\n ", " ").replace("\r\n\t", " ")
    }

    /// The bodies of the fields of this name, in order.
    pub fn fields(&self, name: &str) -> Vec<String> {
        self.header()
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, body)| body.trim().to_owned())
            .collect()
    }
}

/// Everything that came since the sink was started.
#[derive(Debug, Default)]
pub struct Log {
    deliveries: Vec<Delivery>,
    copies: HashMap<String, usize>,
    connections: usize,
    waiting: usize,
    arriving: BTreeMap<usize, usize>,
}

impl Log {
    /// In the order of arrival, duplicates included.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// How often this id was delivered.
    pub fn copies(&self, id: &str) -> usize {
        self.copies.get(id).copied().unwrap_or(0)
    }

    /// Ids that were delivered.
    pub fn unique(&self) -> usize {
        self.copies.len()
    }

    /// Deliveries beyond the first of their id.
    pub fn duplicates(&self) -> usize {
        self.deliveries.len() - self.copies.len()
    }

    /// Connections that were accepted.
    pub const fn connections(&self) -> usize {
        self.connections
    }

    /// Messages whose final dot has come and is not answered yet.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Octets that have come of each message whose content is on its way and did not come at once, by the number of
    /// its session; all at the same moment.
    pub const fn arriving(&self) -> &BTreeMap<usize, usize> {
        &self.arriving
    }

    /// The number of a new session, from 1.
    pub(super) const fn connected(&mut self) -> usize {
        self.connections += 1;
        self.connections
    }

    pub(super) fn arrives(&mut self, session: usize, octets: usize) {
        self.arriving.insert(session, octets);
    }

    pub(super) fn arrived(&mut self, session: usize) {
        self.arriving.remove(&session);
    }

    pub(super) fn wait(&mut self) {
        self.waiting += 1;
    }

    pub(super) fn waited(&mut self) {
        self.waiting -= 1;
    }

    pub(super) fn delivered(&mut self, delivery: Delivery) {
        *self.copies.entry(delivery.id.clone()).or_default() += 1;
        self.deliveries.push(delivery);
    }
}
