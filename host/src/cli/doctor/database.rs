//! Looks at the server that the store is on.

use super::finding::Finding;
use crate::causes::with_causes;
use crate::config::Config;
use crate::store::{Server, Store};

const CHECK: &str = "store";
/// The oldest release that is tested with.
const OLDEST: u32 = 15;

/// What there is to say of it; none when the store is a file.
pub async fn look(config: &Config) -> Option<Finding> {
    match Store::server(&config.store).await {
        Ok(server) => server.as_ref().map(judge),
        Err(error) => {
            let fix = error.hint().unwrap_or_default();
            Some(Finding::failed(CHECK, with_causes(&error)).fix(fix))
        }
    }
}

fn judge(server: &Server) -> Finding {
    let encrypted = if server.is_encrypted {
        "encrypted"
    } else {
        "not encrypted"
    };
    let seen = format!(
        "PostgreSQL {} at {}, {encrypted}, answers in {:.1} ms",
        server.version,
        server.url,
        server.round_trip.as_secs_f64() * 1000.0
    );
    let major = server.version.split('.').next().unwrap_or_default();
    if server.is_standby {
        return Finding::failed(CHECK, format!("{seen}; it is a standby and takes no mail"))
            .fix("point store.url at the primary");
    }
    if !server.is_durable {
        return Finding::warning(CHECK, format!("{seen}; fsync is off"))
            .fix("set fsync = on: what was answered 250 would be lost with the server's power");
    }
    if major.parse::<u32>().is_ok_and(|major| major < OLDEST) {
        return Finding::warning(CHECK, seen)
            .fix("use PostgreSQL 15 or newer: older ones are not tested");
    }
    if !server.is_encrypted && !server.is_near {
        return Finding::warning(CHECK, seen).fix("set store.tls = \"verify-full\"");
    }
    Finding::ok(CHECK, seen)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn what_is_wrong_with_a_server_is_told() {
        let good = Server {
            url: "postgres://a@db/g".to_owned(),
            version: "15.8 (Debian 15.8-0+deb12u1)".to_owned(),
            is_encrypted: true,
            is_near: false,
            is_standby: false,
            is_durable: true,
            round_trip: Duration::from_micros(400),
        };
        let found = judge(&good);
        assert!(
            found.is_ok() && found.detail.contains("0.4 ms"),
            "{found:?}"
        );
        let cases = [
            (
                Server {
                    is_standby: true,
                    ..good.clone()
                },
                Verdict::Failed,
                "primary",
            ),
            (
                Server {
                    is_durable: false,
                    ..good.clone()
                },
                Verdict::Warning,
                "fsync",
            ),
            (
                Server {
                    version: "14.1".to_owned(),
                    ..good.clone()
                },
                Verdict::Warning,
                "15",
            ),
            (
                Server {
                    is_encrypted: false,
                    ..good.clone()
                },
                Verdict::Warning,
                "store.tls",
            ),
        ];
        for (server, verdict, words) in cases {
            let found = judge(&server);
            assert_eq!(found.result, verdict, "{found:?}");
            assert!(found.fix.contains(words), "{found:?}");
        }
        let near = Server {
            is_encrypted: false,
            is_near: true,
            ..good
        };
        assert!(judge(&near).is_ok());
    }
}
