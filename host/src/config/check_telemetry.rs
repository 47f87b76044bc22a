//! What cannot be meant in `[telemetry]`.

use super::Config;
use super::check::{Problem, none_is_zero, problem};

/// The first problem, if there is any.
pub fn check(config: &Config) -> Result<(), Problem> {
    let telemetry = &config.telemetry;
    if let Err(message) = telemetry.target() {
        let hint = "write it like http://127.0.0.1:4318";
        return problem("telemetry.endpoint", message, hint);
    }
    if telemetry.fields().is_none() {
        // Not which one: it may be a secret.
        let message = "one of them is no header field".to_owned();
        let hint = "write them like [\"authorization: Bearer …\"]";
        return problem("telemetry.headers", message, hint);
    }
    if !(0.0..=1.0).contains(&telemetry.sample) {
        let message = format!("{} is no part of all messages", telemetry.sample);
        return problem("telemetry.sample", message, "use a number from 0 to 1");
    }
    let counts = [
        ("telemetry.max-waiting", telemetry.max_waiting as u64),
        ("telemetry.timeout-s", telemetry.timeout_s),
    ];
    none_is_zero(counts, "0 would tell nobody anything")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (text, key) in [
            ("", None),
            ("endpoint = \"http://127.0.0.1:4318\"", None),
            ("endpoint = \"127.0.0.1:4318\"", Some("telemetry.endpoint")),
            ("headers = [\"a: b\"]", None),
            ("headers = [\"a b: c\"]", Some("telemetry.headers")),
            ("headers = [\"authorization\"]", Some("telemetry.headers")),
            ("sample = 1.5", Some("telemetry.sample")),
            ("max-waiting = 0", Some("telemetry.max-waiting")),
            ("timeout-s = 0", Some("telemetry.timeout-s")),
        ] {
            let text = format!("[telemetry]\n{text}");
            let config = Config {
                telemetry: toml::from_str::<Config>(&text)
                    .expect("it parses")
                    .telemetry,
                ..Config::default()
            };
            let found = check(&config).err().map(|problem| problem.key);
            assert_eq!(found.as_deref(), key, "{text}");
        }
    }
}
