//! What cannot be meant in `[notify]`.

use super::Config;
use super::check::{Problem, none_is_zero, problem};
use crate::queue::Priority;
use crate::smtp::Mailbox;

/// The first problem, if there is any.
pub fn check(config: &Config) -> Result<(), Problem> {
    let notify = &config.notify;
    if let Some(sender) = &notify.sender
        && let Err(error) = Mailbox::parse_utf8(sender)
    {
        let message = format!("{sender:?} is not an address: {error}");
        return problem("notify.sender", message, "write it like alerts@example.com");
    }
    if Priority::from_number(i64::from(notify.priority)).is_none() {
        let message = format!("there is no priority {}", notify.priority);
        return problem("notify.priority", message, "use 1 to 5");
    }
    let counts = [
        ("notify.pause-s", notify.pause_s),
        (
            "notify.max-mails-per-hour",
            notify.max_mails_per_hour.into(),
        ),
        ("notify.webhook-timeout-s", notify.webhook_timeout_s),
        (
            "notify.webhook-concurrency",
            notify.webhook_concurrency as u64,
        ),
        (
            "notify.webhook-max-waiting",
            notify.webhook_max_waiting.into(),
        ),
    ];
    none_is_zero(counts, "0 would tell nobody anything")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (text, key) in [
            ("sender = \"alerts\"", Some("notify.sender")),
            ("priority = 6", Some("notify.priority")),
            ("pause-s = 0", Some("notify.pause-s")),
            (
                "sender = \"alerts@example.com\"\nallow-private = [\"10.0.0.0/8\"]",
                None,
            ),
        ] {
            let text = format!("[notify]\n{text}");
            let config = Config {
                notify: toml::from_str::<Config>(&text).expect("it parses").notify,
                folder: PathBuf::new(),
                ..Config::default()
            };
            assert_eq!(
                check(&config).err().map(|problem| problem.key).as_deref(),
                key
            );
        }
    }
}
