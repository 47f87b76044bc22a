//! What templates ask for: words, and the pieces of pages that are HTML themselves, made in this file alone.

mod chart;

use std::fmt;
use std::time::Duration;

pub use self::chart::{bars, bucket_label, grouped, hour_label};
use super::errors::sentence;
use crate::accounts::User;
use crate::clock::Timestamp;
use crate::queue::{MessageStatus, Priority};

/// Text that is HTML and is not escaped again. Whatever comes from elsewhere has been escaped by its maker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}

/// A time, in UTC; the script shows it in the reader's own zone.
pub fn moment(at: &Timestamp) -> Html {
    let exact = at.to_whole_seconds();
    let (date, time) = (&exact[..10], &exact[11..16]);
    Html(format!(
        "<time datetime=\"{exact}\" title=\"{exact}\">{date} {time} UTC</time>"
    ))
}

/// Entries that are separated by `;`, with a space behind each, so that a line may end there.
pub fn listed(entries: &str) -> String {
    let entries = entries.split(';').map(str::trim);
    let entries: Vec<&str> = entries.filter(|entry| !entry.is_empty()).collect();
    entries.join("; ")
}

/// An explanation with what stands between backticks as code, beginning with a capital. Everything is escaped.
pub fn marked(text: &str) -> Html {
    let sentence = sentence(text);
    let parts = sentence.split('`').enumerate();
    let parts = parts.map(|(place, part)| match place % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    Html(parts.collect())
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
            other => escaped.push(other),
        }
    }
    escaped
}

/// How long something takes, for people.
pub fn duration(takes: &Duration) -> String {
    let minutes = takes.as_secs().div_ceil(60);
    match minutes {
        0..=1 => "less than a minute".to_owned(),
        2..=119 => format!("about {minutes} minutes"),
        120..=2879 => format!("about {} hours", minutes.div_ceil(60)),
        _ => format!("about {} days", minutes.div_ceil(1440)),
    }
}

/// The class of a badge that tells where a message stands.
pub const fn badge(status: &MessageStatus) -> &'static str {
    match status {
        MessageStatus::Held => "warn",
        MessageStatus::Deferred | MessageStatus::Failed | MessageStatus::Expired => "bad",
        MessageStatus::Scheduled | MessageStatus::Cancelled => "plain",
        MessageStatus::Delivered => "good",
        MessageStatus::Queued | MessageStatus::Partial => "",
    }
}

/// A priority as people call it.
pub fn priority(priority: &Priority) -> &'static str {
    match priority {
        Priority::Highest => "1 - very high",
        Priority::High => "2 - high",
        Priority::Normal => "3 - normal",
        Priority::Low => "4 - low",
        Priority::Lowest => "5 - very low",
    }
}

/// What a user may send as, on one line; none: as anyone.
pub fn may_send_as(user: &User) -> Option<String> {
    let texts = [&user.authorized_domains, &user.authorized_senders];
    let entries = texts.iter().flat_map(|text| text.split(';'));
    let entries = entries.map(str::trim).filter(|entry| !entry.is_empty());
    let entries: Vec<&str> = entries.collect();
    (!entries.is_empty()).then(|| entries.join("; "))
}

/// A picture of a text for a phone's camera: dark modules as one path.
///
/// None when the text is too long for one.
pub fn qr_code(text: &str) -> Option<Html> {
    let code = qrcode::QrCode::new(text.as_bytes()).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let dark = (0..width * width).filter(|at| colors[*at] == qrcode::Color::Dark);
    let path: String = dark
        .map(|at| format!("M{} {}h1v1h-1z", at % width + 4, at / width + 4))
        .collect();
    let side = width + 8;
    Some(Html(format!(
        "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"QR code of the key\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_as_exact_as_it_can_be() {
        let text = |s| duration(&Duration::from_secs(s));
        assert_eq!(text(5), "less than a minute");
        assert_eq!(text(61), "about 2 minutes");
        assert_eq!(text(7200), "about 2 hours");
        assert_eq!(text(300_000), "about 4 days");
    }

    #[test]
    fn a_time_is_exact_for_programs_and_short_for_people() {
        assert_eq!(
            moment(&Timestamp::from_millis(951_782_400_000)).to_string(),
            "<time datetime=\"2000-02-29T00:00:00Z\" title=\"2000-02-29T00:00:00Z\">2000-02-29 00:00 UTC</time>"
        );
    }

    #[test]
    fn an_explanation_shows_code_and_runs_none() {
        let text = "entry 1, `<b>&\"`, is no domain; write `a` or `b";
        assert_eq!(
            marked(text).to_string(),
            "Entry 1, <code>&lt;b&gt;&amp;&quot;</code>, is no domain; write <code>a</code> or <code>b.</code>"
        );
    }

    #[test]
    fn a_picture_has_a_quiet_zone_and_no_text_of_its_own() {
        let picture = qr_code("otpauth://<script>").expect("short").to_string();
        assert!(picture.starts_with("<svg class=\"qr\" viewBox=\"0 0 "));
        assert!(picture.contains("M4 4h1v1h-1z"), "the first finder pattern");
        assert!(!picture.contains("script"));
        assert!(qr_code(&"x".repeat(5000)).is_none());
    }
}
