//! The mail that tells of alerts: text and simple HTML, from which nothing can loop. Pure.

use std::fmt::Write as _;

use bytes::Bytes;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::date::Date;
use mail_builder::headers::raw::Raw;

use crate::alert::{Alert, Kind, Severity};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{
    ALERT_RULE, Content, MessageMeta, MessageParameters, NewMessage, Origin, Priority, Way,
};
use crate::smtp::{BodyType, Mailbox, Notify, RcptParameters, Recipient};

/// Alerts that one mail tells of in full; the others are counted. 50 are more than anybody reads.
const MAX_IN_FULL: usize = 50;
/// Hours that a mail about alerts is tried for. 24: what is older is seen where alerts are shown.
const TRIED_H: u64 = 24;

/// What a mail about alerts is made of.
pub struct Letter<'a> {
    /// Its own identifier.
    pub id: QueueId,
    /// The list whose alerts they are; none when they concern the whole relay.
    pub list: Option<(i64, &'a str)>,
    /// What it tells, never empty.
    pub alerts: Vec<&'a Alert>,
    /// Who is told.
    pub recipients: &'a [String],
    /// Its From address.
    pub sender: &'a str,
    /// How urgent it is.
    pub priority: Priority,
    /// This relay's domain name.
    pub hostname: &'a str,
    /// Where the panel is, without a slash at the end; none: there are no links.
    pub public_url: Option<&'a str>,
    /// When it is written.
    pub now: Timestamp,
}

impl Letter<'_> {
    /// The mail, ready to be accepted; none when no recipient is an address.
    pub fn message(&self) -> Option<NewMessage> {
        let addresses = self.recipients.iter().map(|one| Mailbox::parse_utf8(one));
        let recipients: Vec<Recipient> = addresses.flatten().map(recipient).collect();
        if recipients.is_empty() {
            return None;
        }
        let message_id = format!("{}@{}", self.id, self.hostname);
        let head = self.content(&message_id)?;
        Some(NewMessage {
            id: self.id,
            meta: MessageMeta {
                list_id: self.list.map(|(id, _)| id),
                username: String::new(),
                // Nothing answers it: no notice of its failure, no vacation.
                reverse_path: None,
                priority: self.priority,
                body: BodyType::SevenBit,
                parameters: MessageParameters::default(),
                subject: self.subject(),
                message_id: format!("<{message_id}>"),
                session_id: String::new(),
                rule: ALERT_RULE.to_owned(),
                received_at: self.now,
                expires_at: self.now + std::time::Duration::from_secs(TRIED_H * 3600),
                way: Way::default(),
                origin: Origin::default(),
            },
            recipients,
            content: Content {
                size: head.len() as u64,
                head,
                staged_chunks: 0,
            },
        })
    }

    fn content(&self, message_id: &str) -> Option<Bytes> {
        let to = self
            .recipients
            .iter()
            .map(|one| Address::from(one.as_str()));
        let built = MessageBuilder::new()
            .from(("Gatepost alerts", self.sender))
            .to(Address::new_list(to.collect()))
            .subject(self.subject())
            .date(Date::new(self.now.as_millis() / 1000))
            .message_id(message_id.to_owned())
            // RFC 3834 §5: whoever answers mail by machine does not answer this.
            .header("Auto-Submitted", Raw::new("auto-generated"))
            .header("X-Auto-Response-Suppress", Raw::new("All"))
            .text_body(self.text())
            .html_body(self.html())
            .write_to_vec();
        built.ok().map(Bytes::from)
    }

    fn subject(&self) -> String {
        let of = self.list.map_or(self.hostname, |(_, name)| name);
        let what = match self.alerts.as_slice() {
            [one] => format!("{}{}", one.kind.group().title(), times(one.count)),
            several => {
                let count: i64 = several.iter().map(|one| one.count).sum();
                let worst = several.iter().max_by_key(|one| one.severity);
                let worst = worst.map_or("", |one| one.kind.group().title());
                let mut kinds = several.iter().map(|one| one.kind.group().title());
                let others = kinds.find(|kind| *kind != worst);
                let others = others.map_or("", |_| " and others");
                format!("{worst}{others}: {} alerts{}", several.len(), times(count))
            }
        };
        let is_critical = self
            .alerts
            .iter()
            .any(|one| one.severity == Severity::Critical);
        let urgent = if is_critical { "critical: " } else { "" };
        one_line(&format!("[Gatepost] {of}: {urgent}{what}"))
    }

    fn link(&self, id: QueueId) -> Option<String> {
        self.public_url.map(|url| format!("{url}/messages/{id}"))
    }

    /// Where all alerts of the list are.
    fn center(&self) -> Option<String> {
        let url = self.public_url?;
        Some(match self.list {
            Some((id, _)) => format!("{url}/lists/{id}/alerts"),
            None => format!("{url}/alerts"),
        })
    }

    /// Names and values of what is known of an alert.
    fn facts(&self, alert: &Alert) -> Vec<(&'static str, String)> {
        let about = &alert.about;
        let message = about.message.map(|id| id.to_string());
        let when = if alert.count > 1 {
            let (first, last) = (alert.first_at, alert.last_at);
            let (first, last) = (first.to_whole_seconds(), last.to_whole_seconds());
            format!("{} times, from {first} to {last}", thousands(alert.count))
        } else {
            alert.last_at.to_whole_seconds()
        };
        let facts = [
            ("When", when),
            ("User", alert.user.clone()),
            ("Sender", about.sender.clone()),
            ("Message", message.unwrap_or_default()),
            ("Rule", about.rule.clone()),
            (
                "Kind",
                format!("{} ({})", alert.kind.group().title(), alert.kind),
            ),
            ("What to do", self.advice(alert)),
            (
                "Timeline",
                about
                    .message
                    .and_then(|id| self.link(id))
                    .unwrap_or_default(),
            ),
        ];
        let known = facts.into_iter().filter(|(_, value)| !value.is_empty());
        known
            .map(|(name, value)| (name, one_line(&value)))
            .collect()
    }

    /// The message is looked at where it can be clicked, or with the command line.
    fn advice(&self, alert: &Alert) -> String {
        let advice = alert.kind.advice();
        match (alert.about.message, &alert.kind) {
            (
                Some(id),
                Kind::SenderNotAuthorized | Kind::OriginatorMalformed | Kind::PolicyFailure,
            ) => {
                format!("{advice} Why it was decided so: `gatepost policy explain {id}`.")
            }
            (Some(id), _) if self.public_url.is_none() => {
                format!("{advice} What happened to it: `gatepost queue show {id}`.")
            }
            _ => advice.to_owned(),
        }
    }

    fn rest(&self) -> Option<String> {
        let rest = self.alerts.len().saturating_sub(MAX_IN_FULL);
        (rest > 0).then(|| format!("{rest} more alerts are not shown here."))
    }

    fn ending(&self) -> String {
        let list = self.list.map(|(_, name)| one_line(name));
        let command = match &list {
            Some(name) => format!("gatepost alert settings --list \"{name}\""),
            None => "gatepost alert settings".to_owned(),
        };
        format!(
            "Sent by the mail relay {} to those named in the alert settings; `{command}` shows and changes them.",
            self.hostname
        )
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for alert in self.alerts.iter().take(MAX_IN_FULL) {
            // Writing to a text does not fail.
            let _ = writeln!(text, "{}\n", one_line(&alert.summary));
            for (name, value) in self.facts(alert) {
                let _ = writeln!(text, "  {name}: {value}");
            }
            text.push_str("\n\n");
        }
        for line in self.rest().into_iter().chain(self.center().map(all_alerts)) {
            let _ = writeln!(text, "{line}\n");
        }
        let _ = writeln!(text, "-- \n{}", self.ending());
        text.replace('\n', "\r\n")
    }

    fn html(&self) -> String {
        let mut html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"></head>\
             <body style=\"font-family:sans-serif;line-height:1.5;max-width:44em\">\n"
            .to_owned();
        for alert in self.alerts.iter().take(MAX_IN_FULL) {
            let _ = writeln!(
                html,
                "<h2 style=\"font-size:1.1em\">{}</h2>",
                escaped(&alert.summary)
            );
            html.push_str("<table style=\"border-collapse:collapse\">\n");
            for (name, value) in self.facts(alert) {
                let value = escaped(&value);
                let shown = if name == "Timeline" {
                    format!("<a href=\"{value}\">{value}</a>")
                } else {
                    value
                };
                let _ = writeln!(
                    html,
                    "<tr><th style=\"text-align:left;vertical-align:top;padding:2px 16px 2px 0;white-space:nowrap\">{name}</th><td style=\"padding:2px 0\">{shown}</td></tr>"
                );
            }
            html.push_str("</table>\n");
        }
        if let Some(rest) = self.rest() {
            let _ = writeln!(html, "<p>{rest}</p>");
        }
        if let Some(center) = self.center() {
            let _ = writeln!(
                html,
                "<p><a href=\"{0}\">All alerts</a></p>",
                escaped(&center)
            );
        }
        let _ = writeln!(
            html,
            "<hr><p style=\"color:#666\">{}</p></body></html>",
            escaped(&self.ending())
        );
        html.replace('\n', "\r\n")
    }
}

fn all_alerts(center: String) -> String {
    format!("All alerts: {center}")
}

/// RFC 3461 §6.1: nobody is to be notified of what becomes of it.
fn recipient(mailbox: Mailbox) -> Recipient {
    Recipient {
        mailbox,
        parameters: RcptParameters {
            notify: Some(Notify::NEVER),
            orcpt: None,
        },
    }
}

fn times(count: i64) -> String {
    match count {
        1 => String::new(),
        count => format!(" ({} times)", thousands(count)),
    }
}

/// With a comma between thousands.
fn thousands(count: i64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whatever a client or a next hop said stays on its line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::About;

    fn alert(summary: &str, count: i64) -> Alert {
        let at = Timestamp::from_millis(1_763_964_000_000);
        Alert {
            id: 1,
            list: Some("Shop".to_owned()),
            kind: Kind::SenderNotAuthorized,
            severity: Severity::Warning,
            user: "s1_1".to_owned(),
            summary: summary.to_owned(),
            about: About {
                message: Some(QueueId::from_i64(7)),
                sender: "ceo@example.net".to_owned(),
                rule: "sender-rules/unauthorized-block".to_owned(),
            },
            count,
            first_at: at,
            last_at: at,
        }
    }

    fn letter<'a>(alerts: &'a [Alert], recipients: &'a [String]) -> Letter<'a> {
        Letter {
            id: QueueId::from_i64(9),
            list: Some((1, "Shop")),
            alerts: alerts.iter().collect(),
            recipients,
            sender: "postmaster@relay.example.com",
            priority: Priority::High,
            hostname: "relay.example.com",
            public_url: Some("https://panel.example.com"),
            now: Timestamp::from_millis(1_763_964_000_000),
        }
    }

    #[test]
    fn a_mail_names_everything_and_answers_nobody() {
        let recipients = ["admin@example.com".to_owned(), "ops@example.com".to_owned()];
        let alerts = [alert("s1_1 tried to send as ceo@example.net", 10_000)];
        let message = letter(&alerts, &recipients).message().expect("a mail");
        assert_eq!(message.meta.reverse_path, None);
        assert!(message.meta.tells_of_alerts());
        assert_eq!(message.recipients.len(), 2);
        assert_eq!(
            message.meta.subject,
            "[Gatepost] Shop: Unauthorized sender (10,000 times)"
        );
        let text = String::from_utf8(message.content.head.to_vec()).expect("ASCII");
        assert!(text.is_ascii() && !text.replace("\r\n", "").contains(['\r', '\n']));
        let parsed = mail_parser::MessageParser::default();
        let parsed = parsed.parse(text.as_bytes()).expect("a message");
        let header = |name| {
            parsed
                .header_raw(name)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        assert_eq!(header("Auto-Submitted"), "auto-generated");
        let body = parsed.body_text(0).expect("a text");
        for part in [
            "s1_1 tried to send as",
            "10,000 times, from 2025-11-24T06:00:00Z",
            "User: s1_1",
            "Sender: ceo@example.net",
            "Message: 0000000000007",
            "Rule: sender-rules/unauthorized-block",
            "add it to the user's authorized senders",
            "https://panel.example.com/messages/0000000000007",
            "https://panel.example.com/lists/1/alerts",
            "alert settings --list \"Shop\"",
        ] {
            assert!(body.contains(part), "{part:?} is missing in\n{body}");
        }
        let html = parsed.body_html(0).expect("HTML");
        assert!(html.contains("<a href=\"https://panel.example.com/messages/0000000000007\">"));
    }

    #[test]
    fn what_a_client_wrote_stays_text_on_its_line() {
        let recipients = ["admin@example.com".to_owned()];
        let alerts = [alert("<script>alert(1)</script>\r\nBcc: x@example.net", 1)];
        let mut letter = letter(&alerts, &recipients);
        letter.list = Some((1, "Shop\r\nBcc: y@example.net"));
        let message = letter.message().expect("a mail");
        let parsed = mail_parser::MessageParser::default();
        let parsed = parsed
            .parse(message.content.head.as_ref())
            .expect("a message");
        assert!(parsed.bcc().is_none());
        assert!(
            parsed
                .body_html(0)
                .expect("HTML")
                .contains("&lt;script&gt;")
        );
    }

    #[test]
    fn many_alerts_are_one_mail_of_bounded_size() {
        let recipients = ["admin@example.com".to_owned()];
        let alerts: Vec<Alert> = (0..1000)
            .map(|n| alert(&format!("alert {n}."), 2))
            .collect();
        let message = letter(&alerts, &recipients).message().expect("a mail");
        let parsed = mail_parser::MessageParser::default();
        let parsed = parsed
            .parse(message.content.head.as_ref())
            .expect("a message");
        let body = parsed.body_text(0).expect("a text");
        assert!(body.contains("alert 49.") && !body.contains("alert 50."));
        assert!(body.contains("950 more alerts are not shown here."));
        assert_eq!(
            message.meta.subject,
            "[Gatepost] Shop: Unauthorized sender: 1000 alerts (2,000 times)"
        );
    }
}
