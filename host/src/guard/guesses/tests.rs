//! What failures come to, told the time.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Logins {
    Logins {
        free_failures: 3,
        first_delay_ms: 1000,
        max_delay_s: 30,
        max_user_delay_s: 5,
        forget_one_after_s: 60,
        alert_after: 6,
        block_after: 10,
        block_s: 900,
        known_s: 3600,
        remembered: 100,
    }
}

fn origin(last: u8) -> Origin {
    Origin::of([192, 0, 2, last].into())
}

/// A guard and the rules it is asked by.
struct Bench {
    rules: Logins,
    guard: Guard,
}

impl Bench {
    fn new(rules: Logins) -> Self {
        Self {
            rules,
            guard: Guard::new(),
        }
    }

    fn hold(&self, origin: Origin, username: &str, now: Instant) -> Hold {
        self.guard.hold(&self.rules, origin, username, now)
    }

    fn failed(&self, from: Origin, username: &str, secret: Option<&str>, now: Instant) -> Crossed {
        let guess = Guess { username, secret };
        self.guard.failed(&self.rules, from, guess, now)
    }

    fn succeeded(&self, from: Origin, username: &str, now: Instant) {
        self.guard.succeeded(&self.rules, from, username, now);
    }

    fn refuses(&self, origin: Origin, now: Instant) -> Option<Duration> {
        self.guard.refuses(origin, now)
    }
}

fn fail(bench: &Bench, from: u8, user: &str, number: u32, now: Instant) -> Crossed {
    bench.failed(origin(from), user, Some(&format!("guess {number}")), now)
}

fn delay(seconds: u64) -> Hold {
    Hold::Delay(Duration::from_secs(seconds))
}

#[test]
fn the_delay_of_an_address_doubles_up_to_its_limit() {
    let (guard, now) = (
        Bench::new(Logins {
            block_after: 100,
            ..config()
        }),
        Instant::now(),
    );
    let mut delays = Vec::new();
    for number in 0..10 {
        // Each time another user: only the address is to be blamed.
        delays.push(guard.hold(origin(1), "nobody", now));
        fail(&guard, 1, &format!("u{number}"), number, now);
    }
    let expected = [0, 0, 0, 0, 1, 2, 4, 8, 16, 30].map(delay);
    assert_eq!(delays, expected);
    assert_eq!(guard.hold(origin(2), "nobody", now), delay(0));
}

#[test]
fn a_user_who_is_attacked_from_everywhere_waits_a_little_and_gets_in() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    for number in 0..100 {
        fail(
            &guard,
            u8::try_from(number).expect("small"),
            "s1_1",
            number,
            now,
        );
    }
    assert_eq!(guard.hold(origin(200), "s1_1", now), delay(5));
    assert_eq!(
        guard.hold(origin(200), "S1_1", now),
        delay(5),
        "names have no case"
    );
    assert_eq!(guard.hold(origin(200), "s1_2", now), delay(0));
}

#[test]
fn failures_are_forgotten_one_by_one() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    for number in 0..5 {
        fail(&guard, 1, "s1_1", number, now);
    }
    assert_eq!(guard.hold(origin(1), "s1_1", now), delay(2));
    assert_eq!(guard.hold(origin(1), "s1_1", now + 59 * SECOND), delay(2));
    assert_eq!(guard.hold(origin(1), "s1_1", now + 60 * SECOND), delay(1));
    assert_eq!(guard.hold(origin(1), "s1_1", now + 119 * SECOND), delay(1));
    assert_eq!(guard.hold(origin(1), "s1_1", now + 120 * SECOND), delay(0));
}

#[test]
fn too_many_failures_block_the_address_for_a_while() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    let blocked: Vec<bool> = (0..10)
        .map(|number| fail(&guard, 1, &format!("u{number}"), number, now).is_blocked)
        .collect();
    assert_eq!(blocked.iter().filter(|blocked| **blocked).count(), 1);
    assert!(blocked[9]);
    let later = now + 100 * SECOND;
    assert_eq!(guard.refuses(origin(1), later), Some(800 * SECOND));
    assert_eq!(
        guard.hold(origin(1), "x", later),
        Hold::Blocked(800 * SECOND)
    );
    assert_eq!(guard.refuses(origin(2), later), None);
    assert_eq!(guard.refuses(origin(1), now + 900 * SECOND), None);
    assert_eq!(guard.hold(origin(1), "x", now + 900 * SECOND), delay(0));
}

#[test]
fn who_is_known_at_a_blocked_address_gets_in_and_nobody_else() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    guard.succeeded(origin(1), "s1_1", now);
    for number in 0..10 {
        fail(&guard, 1, "s1_2", number, now);
    }
    let blocked = Hold::Blocked(900 * SECOND);
    assert_eq!(guard.refuses(origin(1), now), None);
    assert_eq!(guard.hold(origin(1), "S1_1", now), delay(0));
    assert_eq!(guard.hold(origin(1), "s1_2", now), blocked);
    assert_eq!(guard.hold(origin(1), "s1_3", now), blocked);
    // Elsewhere it is one like any other.
    for number in 0..10 {
        fail(&guard, 2, "s1_2", number, now);
    }
    assert_eq!(guard.refuses(origin(2), now), Some(900 * SECOND));
    assert_eq!(guard.hold(origin(2), "s1_1", now), blocked);
}

#[test]
fn a_known_user_is_known_for_a_while() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    guard.succeeded(origin(1), "s1_1", now);
    let later = now + 3600 * SECOND;
    for number in 0..10 {
        fail(&guard, 1, "s1_2", number, later);
    }
    assert_eq!(guard.refuses(origin(1), later), Some(900 * SECOND));
}

#[test]
fn a_neighbour_cannot_guess_at_a_known_user_for_long() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    guard.succeeded(origin(1), "s1_1", now);
    for number in 0..10 {
        fail(&guard, 1, "s1_2", number, now);
    }
    let mut guesses = 0;
    while guard.hold(origin(1), "s1_1", now) != Hold::Blocked(900 * SECOND) {
        fail(&guard, 1, "s1_1", guesses, now);
        // The user's own program goes on meanwhile; while the block lasts this brings nothing back.
        guard.succeeded(origin(1), "s1_1", now);
        guesses += 1;
    }
    assert_eq!(guesses, 4);
}

#[test]
fn a_known_user_does_not_wait_for_the_failures_of_neighbours() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    guard.succeeded(origin(1), "s1_1", now);
    for number in 0..8 {
        fail(&guard, 1, "s1_2", number, now);
    }
    assert_eq!(guard.hold(origin(1), "s1_3", now), delay(16));
    assert_eq!(guard.hold(origin(1), "s1_1", now), delay(0));
}

#[test]
fn the_same_wrong_password_again_is_no_other_guess() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    for _ in 0..1000 {
        let crossed = guard.failed(origin(1), "s1_1", Some("last year's"), now);
        assert!(
            !crossed.is_blocked && crossed.origin.is_none(),
            "{crossed:?}"
        );
    }
    assert_eq!(
        guard.hold(origin(1), "s1_2", now),
        delay(0),
        "its neighbours"
    );
    assert_eq!(
        guard.hold(origin(1), "s1_1", now),
        delay(5),
        "it waits all the same"
    );
}

#[test]
fn a_login_whose_secret_is_not_seen_counts() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    let blocked = (0..10).any(|_| guard.failed(origin(1), "s1_1", None, now).is_blocked);
    assert!(blocked);
}

#[test]
fn a_person_is_told_once_until_all_is_forgotten() {
    let (guard, now) = (Bench::new(config()), Instant::now());
    let mut told = Vec::new();
    for number in 0..9 {
        let crossed = fail(&guard, 1, "s1_1", number, now);
        told.push((crossed.user, crossed.origin));
    }
    assert_eq!(told[5], (Some(6), Some(6)));
    let others = told.iter().filter(|told| **told == (None, None)).count();
    assert_eq!(others, 8);
    let next_day = now + 86_400 * SECOND;
    let again = (0..6).map(|number| fail(&guard, 1, "s1_1", 100 + number, next_day).user);
    assert_eq!(again.flatten().collect::<Vec<_>>(), [6]);
}

#[test]
fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
    let guard = Bench::new(Logins {
        remembered: 3,
        ..config()
    });
    let now = Instant::now();
    for number in 0..10_u8 {
        let at = now + SECOND * u32::from(number);
        guard.failed(origin(number), &format!("u{number}"), None, at);
        assert!(guard.guard.failures.lock().origins.len() <= 3);
        assert!(guard.guard.failures.lock().users.len() <= 3);
    }
    let failures = guard.guard.failures.lock();
    let mut kept: Vec<u8> = (0..10)
        .filter(|number| failures.origins.contains_key(&origin(*number)))
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, [7, 8, 9]);
}

#[test]
fn no_name_and_no_password_is_kept() {
    let guard = Bench::new(config());
    guard.failed(
        origin(1),
        "very-secret-name",
        Some("very-secret"),
        Instant::now(),
    );
    let text = format!("{:?}", guard.guard);
    assert!(!text.contains("very-secret"), "{text}");
}
