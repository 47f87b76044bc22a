//! What cannot be meant in `[panel]`.

use super::Config;
use super::check::{Problem, none_is_zero, problem};

/// Below it the HTTP library does not work.
const MIN_HEADER_OCTETS: usize = 8192;

/// The first problem, if there is any.
pub fn check(config: &Config) -> Result<(), Problem> {
    let panel = &config.panel;
    if panel.is_exposed() {
        let message =
            "passwords would cross the network in clear: it is plain HTTP beyond loopback";
        let hint = "set panel.https = true, name your HTTPS proxy in panel.proxies, or use 127.0.0.1; \
                    panel.allow-plain-http = true insists";
        return problem("panel.address", message, hint);
    }
    if panel.max_header_octets < MIN_HEADER_OCTETS {
        let message = "smaller than what one request may need";
        return problem("panel.max-header-octets", message, "use 8192 or more");
    }
    if let Some(url) = &panel.url
        && !is_url(url)
    {
        let message = format!("{url:?} is not what people type into a browser");
        let hint = "use scheme and host alone, like https://panel.example.com";
        return problem("panel.url", message, hint);
    }
    for (key, value) in [
        ("panel.session-idle-min", panel.session_idle_min),
        ("panel.session-max-h", panel.session_max_h),
        ("panel.link-lifetime-h", panel.link_lifetime_h),
    ] {
        if value == 0 {
            let message = "0 would let nobody in";
            return problem(
                key,
                message,
                "use 1 or more, or leave it out for the default",
            );
        }
    }
    let counts = [
        ("panel.max-connections", panel.max_connections as u64),
        (
            "panel.max-connections-per-address",
            panel.max_connections_per_address as u64,
        ),
        ("panel.max-body-octets", panel.max_body_octets as u64),
    ];
    none_is_zero(counts, "0 would let nobody in")
}

/// Scheme and host, without a path: the panel is not served below one.
fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    host.is_some_and(|host| {
        let known = |octet: u8| octet.is_ascii_alphanumeric() || b".-:[]".contains(&octet);
        !host.is_empty() && host.bytes().all(known)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::config::{Config, TextError};

    #[track_caller]
    fn refused(text: &str, key: &str) {
        let text = format!("[panel]\n{text}\n");
        match Config::parse(&text, PathBuf::new()) {
            Err(TextError::Check(problem)) => assert_eq!(problem.key, key, "{text}"),
            other => panic!("{text}: {:?}", other.map(drop)),
        }
    }

    #[test]
    fn what_would_be_unsafe_or_useless_is_named() {
        refused("address = \"0.0.0.0:8080\"", "panel.address");
        refused("url = \"panel.example.com\"", "panel.url");
        refused("url = \"https://example.com/panel\"", "panel.url");
        refused("session-idle-min = 0", "panel.session-idle-min");
        refused("max-header-octets = 100", "panel.max-header-octets");
        refused("max-connections = 0", "panel.max-connections");
    }

    #[test]
    fn a_panel_on_loopback_needs_nothing_else() {
        let text = "[panel]\naddress = \"127.0.0.1:8080\"\nurl = \"https://panel.example.com\"\n";
        assert!(Config::parse(text, PathBuf::new()).is_ok());
    }
}
