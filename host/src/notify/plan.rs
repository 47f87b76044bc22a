//! When what is told: merged, paced, and never more than so often. Pure.

use std::time::Duration;

use crate::alert::{AlertSettings, Group, Pace, Severity};
use crate::clock::Timestamp;
use crate::store::{PendingAlert, Told};

/// The longest wait until an alert that goes on is told again. Six hours: twice on a working day.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const MINUTES_OF_A_DAY: i64 = 24 * 60;

/// How often people may be told.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Between two mails of a list.
    pub pause: Duration,
    /// Mails of a list within an hour.
    pub per_hour: usize,
}

/// What is to be done about a list's alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be told now, in one mail.
    pub now: Vec<PendingAlert>,
    /// Of kinds that the list does not want to hear of.
    pub unwanted: Vec<Told>,
    /// When there may be more to tell; none while nothing happens.
    pub next_at: Option<Timestamp>,
}

/// What is to be told of a list's `pending` alerts at `now`, when it was told at `mails` before.
pub fn plan(
    settings: &AlertSettings,
    limits: Limits,
    pending: Vec<PendingAlert>,
    mails: &[Timestamp],
    now: Timestamp,
) -> Plan {
    let (wanted, unwanted) = pending
        .into_iter()
        .partition::<Vec<_>, _>(|one| settings.wants(one.alert.kind.group()));
    let mut plan = Plan {
        unwanted: unwanted.iter().map(told).collect(),
        ..Plan::default()
    };
    for one in wanted {
        let at = due(settings, limits, &one).max(gate(settings, limits, &one, mails, now));
        if at <= now {
            plan.now.push(one);
        } else {
            plan.next_at = Some(plan.next_at.map_or(at, |next| next.min(at)));
        }
    }
    plan
}

/// All that has happened of an alert by now.
pub fn told(one: &PendingAlert) -> Told {
    Told {
        alert: one.alert.id,
        count: one.alert.count,
    }
}

/// From when on an alert may be told again: the longer it goes on, the more rarely.
pub fn again_at(one: &PendingAlert, pause: Duration) -> Timestamp {
    let Some(done_at) = one.done_at else {
        return one.since;
    };
    let doubled = one.done_times.saturating_sub(1).min(16);
    let wait = pause
        .saturating_mul(1 << doubled)
        .min(LONGEST_WAIT.max(pause));
    (done_at + wait).max(one.since)
}

/// Critical alerts and tests wait for no digest and no end of a quiet period.
fn passes(settings: &AlertSettings, one: &PendingAlert) -> bool {
    let is_critical = one.alert.severity == Severity::Critical && settings.critical_passes;
    is_critical || one.alert.kind.group() == Group::Test
}

/// From when on it may be told, for its own sake.
fn due(settings: &AlertSettings, limits: Limits, one: &PendingAlert) -> Timestamp {
    if passes(settings, one) {
        return again_at(one, limits.pause);
    }
    let at = match settings.pace {
        Pace::AtOnce => again_at(one, limits.pause),
        Pace::Hourly => next_hour(settings, one.since),
        Pace::Daily => next_day(settings, one.since),
    };
    after_quiet(settings, at)
}

/// From when on another mail may be sent.
fn gate(
    settings: &AlertSettings,
    limits: Limits,
    one: &PendingAlert,
    mails: &[Timestamp],
    now: Timestamp,
) -> Timestamp {
    let within_hour = mails.iter().filter(|&&at| now < at + HOUR);
    let within_hour: Vec<&Timestamp> = within_hour.collect();
    if within_hour.len() >= limits.per_hour.max(1) {
        let place = within_hour.len() - limits.per_hour.max(1);
        return *within_hour[place] + HOUR;
    }
    let is_first = one.done_at.is_none() && passes(settings, one);
    match mails.last() {
        Some(last) if !is_first => *last + limits.pause,
        _ => Timestamp::default(),
    }
}

/// Minutes since the epoch by the clock of the settings.
fn local_minutes(settings: &AlertSettings, at: Timestamp) -> i64 {
    at.as_millis().div_euclid(60_000) + i64::from(settings.offset.minutes())
}

fn from_local_minutes(settings: &AlertSettings, minutes: i64) -> Timestamp {
    Timestamp::from_millis((minutes - i64::from(settings.offset.minutes())) * 60_000)
}

fn next_hour(settings: &AlertSettings, after: Timestamp) -> Timestamp {
    let minutes = local_minutes(settings, after);
    from_local_minutes(settings, (minutes.div_euclid(60) + 1) * 60)
}

fn next_day(settings: &AlertSettings, after: Timestamp) -> Timestamp {
    let minutes = local_minutes(settings, after);
    let today = minutes.div_euclid(MINUTES_OF_A_DAY) * MINUTES_OF_A_DAY;
    let at = today + i64::from(settings.daily_at.minutes());
    let at = if at > minutes {
        at
    } else {
        at + MINUTES_OF_A_DAY
    };
    from_local_minutes(settings, at)
}

/// The first minute from `at` on that is in no quiet period. Periods that cover the whole day are none.
fn after_quiet(settings: &AlertSettings, at: Timestamp) -> Timestamp {
    let mut next = at;
    for _ in 0..=settings.quiet.len() * 2 {
        let minute = local_minutes(settings, next).rem_euclid(MINUTES_OF_A_DAY);
        let minute = u16::try_from(minute).unwrap_or_default();
        let Some(period) = settings.quiet.iter().find(|one| one.covers(minute)) else {
            return next;
        };
        let wait =
            (i64::from(period.to.minutes()) - i64::from(minute)).rem_euclid(MINUTES_OF_A_DAY);
        let minutes = local_minutes(settings, next) + wait;
        next = from_local_minutes(settings, minutes).max(next + MINUTE / 60);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{About, Alert, Kind};

    const LIMITS: Limits = Limits {
        pause: Duration::from_secs(300),
        per_hour: 3,
    };

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_utc(&format!("2026-11-24T{text}Z")).expect("a time")
    }

    fn pending(kind: Kind, severity: Severity, since: Timestamp) -> PendingAlert {
        let alert = Alert {
            id: 1,
            list: None,
            kind,
            severity,
            user: String::new(),
            summary: "it happened".to_owned(),
            about: About::default(),
            count: 1,
            first_at: since,
            last_at: since,
        };
        PendingAlert {
            alert,
            list_id: None,
            done: 0,
            done_at: None,
            done_times: 0,
            since,
        }
    }

    fn bounce(since: Timestamp) -> PendingAlert {
        pending(Kind::DeliveryFailed, Severity::Warning, since)
    }

    fn told_before(mut one: PendingAlert, at: Timestamp, times: u32) -> PendingAlert {
        (one.done, one.done_at, one.done_times) = (1, Some(at), times);
        one.alert.count = 9;
        one
    }

    fn next(settings: &AlertSettings, one: PendingAlert, mails: &[Timestamp], now: &str) -> String {
        let plan = plan(settings, LIMITS, vec![one], mails, at(now));
        match plan.next_at {
            None if plan.now.len() == 1 => "now".to_owned(),
            None => "never".to_owned(),
            Some(next) => next.to_string()[8..16].to_owned(),
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_what_follows_after_a_pause() {
        let settings = AlertSettings::default();
        let (first, later) = (bounce(at("10:00:00")), bounce(at("10:01:00")));
        assert_eq!(next(&settings, first, &[], "10:00:00"), "now");
        let mails = [at("10:00:00")];
        assert_eq!(
            next(&settings, later.clone(), &mails, "10:01:00"),
            "24T10:05"
        );
        assert_eq!(next(&settings, later, &mails, "10:05:00"), "now");
    }

    #[test]
    fn what_goes_on_is_told_ever_more_rarely() {
        let settings = AlertSettings::default();
        for (times, expected) in [
            (1, "24T10:05"),
            (2, "24T10:10"),
            (3, "24T10:20"),
            (9, "24T16:00"),
        ] {
            let one = told_before(bounce(at("10:00:01")), at("10:00:00"), times);
            assert_eq!(
                next(&settings, one, &[at("10:00:00")], "10:01:00"),
                expected
            );
        }
    }

    #[test]
    fn there_are_never_more_mails_within_an_hour_than_the_limit() {
        let settings = AlertSettings::default();
        let mails = [at("09:30:00"), at("09:40:00"), at("09:50:00")];
        let critical = pending(Kind::UserSuspended, Severity::Critical, at("10:00:00"));
        assert_eq!(next(&settings, critical, &mails, "10:00:00"), "24T10:30");
        assert_eq!(
            next(&settings, bounce(at("10:00:00")), &mails, "10:30:00"),
            "now"
        );
    }

    #[test]
    fn digests_are_sent_at_their_time_and_critical_alerts_at_once() {
        let mut settings = AlertSettings {
            pace: Pace::Hourly,
            ..AlertSettings::default()
        };
        let one = bounce(at("10:20:00"));
        assert_eq!(next(&settings, one.clone(), &[], "10:21:00"), "24T11:00");
        assert_eq!(next(&settings, one.clone(), &[], "11:00:00"), "now");
        settings.pace = Pace::Daily;
        assert_eq!(next(&settings, one.clone(), &[], "10:21:00"), "25T07:00");
        settings.offset = "-05:00".parse().expect("an offset");
        assert_eq!(next(&settings, one, &[], "10:21:00"), "24T12:00");
        let critical = pending(Kind::UserSuspended, Severity::Critical, at("10:20:00"));
        assert_eq!(next(&settings, critical.clone(), &[], "10:20:00"), "now");
        settings.critical_passes = false;
        assert_eq!(next(&settings, critical, &[], "10:20:00"), "24T12:00");
    }

    #[test]
    fn nobody_is_told_in_quiet_periods_but_of_critical_alerts_and_tests() {
        let settings = AlertSettings {
            quiet: vec![
                "22:00-06:00".parse().expect("a period"),
                "06:00-06:30".parse().expect("a period"),
            ],
            offset: "+01:00".parse().expect("an offset"),
            ..AlertSettings::default()
        };
        let night = at("22:10:00");
        assert_eq!(next(&settings, bounce(night), &[], "22:10:00"), "25T05:30");
        let test = pending(Kind::Test, Severity::Info, night);
        assert_eq!(next(&settings, test, &[], "22:10:00"), "now");
        let critical = pending(Kind::UserSuspended, Severity::Critical, night);
        assert_eq!(next(&settings, critical, &[], "22:10:00"), "now");
        let whole_day = AlertSettings {
            quiet: vec![
                "00:00-12:00".parse().expect("a period"),
                "12:00-00:00".parse().expect("a period"),
            ],
            ..AlertSettings::default()
        };
        assert_eq!(next(&whole_day, bounce(night), &[], "22:10:00"), "now");
    }

    #[test]
    fn what_nobody_wants_to_hear_of_is_passed_over() {
        let settings = AlertSettings {
            groups: [Group::PolicyFailure].into(),
            ..AlertSettings::default()
        };
        let plan = plan(
            &settings,
            LIMITS,
            vec![bounce(at("10:00:00"))],
            &[],
            at("10:00:00"),
        );
        assert!(plan.now.is_empty() && plan.next_at.is_none());
        assert_eq!(plan.unwanted, [Told { alert: 1, count: 1 }]);
    }
}
