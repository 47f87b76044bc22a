//! How long a client may take: for its login, for a command line from its first octet, and for content
//! by an average rate. Every limit is for the whole, so that single octets in time gain nothing.
//!
//! Counts only the time spent waiting for the client, never our own: a client is not too slow because
//! the store or a policy is. A value without clock or I/O: `connection` measures.

use std::time::Duration;

use super::config::Config;
use crate::smtp::Reply;

/// How far a client has come, by the time we waited for it.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    /// Waited before a login.
    before_login: Duration,
    /// Waited since the first octet of a command line that has not ended.
    in_line: Option<Duration>,
    /// Waited in this stretch of content.
    in_window: Duration,
    /// Octets that came in this stretch of content.
    window_octets: u64,
}

/// The configured limits of one session.
#[derive(Clone, Copy, Debug)]
struct Limits {
    login: Duration,
    command: Duration,
    line: Duration,
    content: Duration,
    window: Duration,
    window_octets: u64,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// A command or response of a client that has not logged in.
    Login,
    /// A command of a user.
    Command,
    /// Content.
    Content,
}

/// What a client was too slow for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It has not logged in.
    Login,
    /// It was silent.
    Silence,
    /// A command line has not ended.
    Line,
    /// Content came too slowly.
    Content,
}

impl Overdue {
    /// The last reply.
    pub(super) fn reply(self) -> Reply {
        let text = match self {
            Self::Login => "you have not logged in for too long; goodbye",
            Self::Silence => "you were silent for too long; goodbye",
            Self::Line => "a command line took you too long; goodbye",
            Self::Content => "the message comes in too slowly; goodbye",
        };
        Reply::new(421, (4, 4, 2), text)
    }
}

impl Pace {
    pub(super) fn new(config: &Config) -> Self {
        let window_s = config.content_window_s.max(1);
        Self {
            limits: Limits {
                login: Duration::from_secs(config.login_timeout_s),
                command: Duration::from_secs(config.command_timeout_s),
                line: Duration::from_secs(config.command_line_timeout_s),
                content: Duration::from_secs(config.content_timeout_s),
                window: Duration::from_secs(window_s),
                window_octets: config.min_content_octets_per_s.saturating_mul(window_s),
            },
            before_login: Duration::ZERO,
            in_line: None,
            in_window: Duration::ZERO,
            window_octets: 0,
        }
    }

    /// Content begins: its first stretch of time is the grace it has.
    pub(super) fn begin_content(&mut self) {
        (self.in_window, self.window_octets) = (Duration::ZERO, 0);
    }

    /// How long the next octets may take, and what the client is too slow for if they take longer.
    pub(super) fn patience(&self, awaited: Awaited) -> (Duration, Overdue) {
        let Limits {
            login,
            command,
            line,
            content,
            ..
        } = self.limits;
        let silence = if awaited == Awaited::Content {
            content
        } else {
            command
        };
        let mut least = (silence, Overdue::Silence);
        let mut tighten = |left: Duration, overdue| {
            if left < least.0 {
                least = (left, overdue);
            }
        };
        match awaited {
            Awaited::Content => tighten(self.content_left(), Overdue::Content),
            Awaited::Login => tighten(login.saturating_sub(self.before_login), Overdue::Login),
            Awaited::Command => {}
        }
        if let Some(waited) = self.in_line.filter(|_| awaited != Awaited::Content) {
            tighten(line.saturating_sub(waited), Overdue::Line);
        }
        least
    }

    /// Notes what came after a wait.
    pub(super) fn received(&mut self, awaited: Awaited, waited: Duration, octets: &[u8]) {
        match awaited {
            Awaited::Content => self.content_received(waited, octets),
            Awaited::Login => self.before_login += waited,
            Awaited::Command => {}
        }
        self.in_line = match memchr::memrchr(b'\n', octets) {
            // A command may begin behind content, or not; it counts from its next octets.
            _ if awaited == Awaited::Content => None,
            Some(end) if end + 1 == octets.len() => None,
            Some(_) => Some(Duration::ZERO),
            None => Some(
                self.in_line
                    .map_or(Duration::ZERO, |before| before + waited),
            ),
        };
    }

    /// A stretch that has enough already leaves the next one whole.
    fn content_left(&self) -> Duration {
        let Limits {
            window,
            window_octets,
            ..
        } = self.limits;
        let left = window.saturating_sub(self.in_window);
        if self.window_octets >= window_octets {
            left + window
        } else {
            left
        }
    }

    fn content_received(&mut self, waited: Duration, octets: &[u8]) {
        self.in_window += waited;
        if self.in_window >= self.limits.window {
            self.in_window = self.in_window.saturating_sub(self.limits.window);
            self.window_octets = 0;
        }
        self.window_octets = self.window_octets.saturating_add(octets.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace::new(&Config {
            login_timeout_s: 120,
            command_timeout_s: 300,
            command_line_timeout_s: 60,
            content_timeout_s: 180,
            min_content_octets_per_s: 100,
            content_window_s: 60,
            ..Config::default()
        })
    }

    /// Sends `octets` every `interval`: after how many seconds of waiting it is cut, and for what.
    fn drip(mut pace: Pace, awaited: Awaited, octets: &[u8], interval: Duration) -> (u64, Overdue) {
        let mut waited = Duration::ZERO;
        while waited < 10_000 * SECOND {
            let (patience, overdue) = pace.patience(awaited);
            if patience <= interval {
                return ((waited + patience).as_secs(), overdue);
            }
            waited += interval;
            pace.received(awaited, interval, octets);
        }
        panic!("never cut");
    }

    #[test]
    fn a_client_is_cut_however_it_spreads_its_octets() {
        use Awaited::{Command, Content, Login};
        let cases = [
            (Command, &b"x"[..], 1, (61, Overdue::Line)),
            (Command, b"x", 59, (119, Overdue::Line)),
            (Command, b"x", 400, (300, Overdue::Silence)),
            (Login, b"x", 1, (61, Overdue::Line)),
            (Login, b"NOOP\r\n", 10, (120, Overdue::Login)),
            (Login, b"NOOP\r\nNO", 59, (120, Overdue::Login)),
            (Content, b"x", 1, (60, Overdue::Content)),
            (Content, b"x\r\n", 59, (60, Overdue::Content)),
            (Content, &[b'x'; 99], 1, (60, Overdue::Content)),
        ];
        for (awaited, octets, interval, expected) in cases {
            let cut = drip(pace(), awaited, octets, SECOND * interval);
            assert_eq!(cut, expected, "{awaited:?} every {interval} s");
        }
    }

    #[test]
    fn a_client_that_is_slow_but_not_too_slow_goes_on() {
        let mut pace = pace();
        for _ in 0..10_000 {
            assert!(pace.patience(Awaited::Content).0 > SECOND);
            pace.received(Awaited::Content, SECOND, &[b'x'; 110]);
        }
        for _ in 0..10_000 {
            assert!(pace.patience(Awaited::Command).0 > 50 * SECOND);
            pace.received(Awaited::Command, 50 * SECOND, b"OP\r\nNO");
        }
    }

    #[test]
    fn a_burst_earns_the_rest_of_its_window_and_one_more() {
        let mut pace = pace();
        pace.received(Awaited::Content, SECOND, &[b'x'; 6000]);
        assert_eq!(
            pace.patience(Awaited::Content),
            (119 * SECOND, Overdue::Content)
        );
        pace.received(Awaited::Content, 100 * SECOND, b"x");
        assert_eq!(
            pace.patience(Awaited::Content),
            (19 * SECOND, Overdue::Content)
        );
    }

    #[test]
    fn every_message_begins_anew() {
        let mut pace = pace();
        pace.received(Awaited::Content, 59 * SECOND, b"x\r\n");
        pace.begin_content();
        assert_eq!(pace.patience(Awaited::Content).0, 60 * SECOND);
    }

    #[test]
    fn a_command_behind_content_counts_from_its_next_octets() {
        let mut pace = pace();
        pace.received(Awaited::Content, 50 * SECOND, b"x\r\n.\r\nQU");
        let patience = pace.patience(Awaited::Command);
        assert_eq!(patience, (300 * SECOND, Overdue::Silence));
        pace.received(Awaited::Command, SECOND, b"I");
        let patience = pace.patience(Awaited::Command);
        assert_eq!(patience, (60 * SECOND, Overdue::Line));
        pace.received(Awaited::Command, SECOND, b"T\r\n");
        let patience = pace.patience(Awaited::Command);
        assert_eq!(patience, (300 * SECOND, Overdue::Silence));
    }
}
