//! What pages about alerts and webhooks call things: the class of a badge and its word, a name and what it means.

use crate::alert::{EventKind, Post, Severity};

/// How much an alert matters.
pub const fn severity(severity: &Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Info => ("plain", "Info"),
        Severity::Warning => ("warn", "Warning"),
        Severity::Critical => ("bad", "Critical"),
    }
}

/// A kind of event, and when it is posted.
pub const fn title(kind: &EventKind) -> (&'static str, &'static str) {
    match kind {
        EventKind::Accepted => ("Accepted", "A message is in the queue"),
        EventKind::Blocked => ("Blocked", "A policy refused a message"),
        EventKind::Delivered => ("Delivered", "A recipient was served"),
        EventKind::Deferred => ("Deferred", "A recipient is tried again later"),
        EventKind::Bounced => ("Bounced", "A recipient was given up"),
        EventKind::Alert => ("Alert", "An alert was raised, or happened again"),
    }
}

/// What came of a post.
pub fn badge(post: &Post) -> (&'static str, String) {
    match post.status {
        0 => ("bad", "No answer".to_owned()),
        status if post.is_success() => ("good", status.to_string()),
        status => ("warn", status.to_string()),
    }
}
