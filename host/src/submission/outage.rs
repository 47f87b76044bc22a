//! Tells of accounts that cannot be read, when it begins, while it lasts and when it is over, however many clients ask.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{error, warn};

use crate::causes::with_causes;
use crate::store::StoreError;

/// Between two lines while it lasts. Default a minute.
const APART: Duration = Duration::from_secs(60);

/// Whether accounts can be read at present.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Lasting>>);

#[derive(Debug)]
struct Lasting {
    began: Instant,
    told: Instant,
    /// Questions that had no answer.
    refused: u64,
}

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Begins,
    Lasts { refused: u64 },
    Ends { refused: u64, outage: Duration },
}

impl Outage {
    /// What was read, if it could be.
    pub(super) fn note<T>(&self, read: Result<T, StoreError>) -> Option<T> {
        let line = self.line(read.is_ok(), Instant::now());
        if let Some(line) = line {
            line.tell(read.as_ref().err());
        }
        read.ok()
    }

    fn line(&self, works: bool, now: Instant) -> Option<Line> {
        let mut state = self.0.lock();
        if works {
            let over = state.take()?;
            let (refused, outage) = (over.refused, now.duration_since(over.began));
            return Some(Line::Ends { refused, outage });
        }
        let Some(lasting) = state.as_mut() else {
            *state = Some(Lasting {
                began: now,
                told: now,
                refused: 1,
            });
            return Some(Line::Begins);
        };
        lasting.refused += 1;
        let refused = lasting.refused;
        let is_due = now.duration_since(lasting.told) >= APART;
        is_due.then(|| {
            lasting.told = now;
            Line::Lasts { refused }
        })
    }
}

impl Line {
    fn tell(&self, why: Option<&StoreError>) {
        let error = why.map(|error| with_causes(error).to_string());
        match self {
            Self::Begins => error!(
                error,
                "accounts cannot be read; nobody can log in until they can"
            ),
            Self::Lasts { refused } => {
                warn!(error, refused, "accounts still cannot be read");
            }
            Self::Ends { refused, outage } => {
                let outage_ms = outage.as_millis();
                warn!(refused, outage_ms, "accounts can be read again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_has_a_line_when_it_begins_one_each_minute_and_one_when_it_is_over() {
        let outage = Outage::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(outage.line(true, at(0)), None);
        assert_eq!(outage.line(false, at(0)), Some(Line::Begins));
        for second in 1..60 {
            assert_eq!(outage.line(false, at(second)), None);
        }
        let lasts = Line::Lasts { refused: 61 };
        assert_eq!(outage.line(false, at(60)), Some(lasts));
        assert_eq!(outage.line(false, at(61)), None);
        let ends = Line::Ends {
            refused: 62,
            outage: Duration::from_secs(70),
        };
        assert_eq!(outage.line(true, at(70)), Some(ends));
        assert_eq!(outage.line(true, at(71)), None);
    }
}
