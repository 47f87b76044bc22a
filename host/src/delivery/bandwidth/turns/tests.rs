use super::*;

const BLOCK: usize = 64 * 1024;
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Turns under a clock that the test moves, with transfers that write as soon as they may.
struct Line {
    turns: Turns,
    start: Instant,
    now: Instant,
    /// Priority, octets left and octets written of each transfer.
    transfers: Vec<Moving>,
}

struct Moving {
    priority: Priority,
    left: usize,
    /// When its content was written.
    done_at: Option<Instant>,
    last_at: Instant,
    longest_pause: Duration,
    is_waiting: bool,
    is_first: bool,
}

fn priority(number: u8) -> Priority {
    Priority::from_number(number.into()).expect("1 to 5")
}

impl Line {
    fn new(octets_per_s: u32) -> Self {
        let start = Instant::now();
        Self {
            turns: Turns::new(NonZeroU32::new(octets_per_s), MAX_PAUSE),
            start,
            now: start,
            transfers: Vec::new(),
        }
    }

    fn add(&mut self, number: u8, octets: usize) -> usize {
        self.transfers.push(Moving {
            priority: priority(number),
            left: octets,
            done_at: None,
            last_at: self.now,
            longest_pause: Duration::ZERO,
            is_waiting: false,
            is_first: true,
        });
        let index = self.transfers.len() - 1;
        self.go_on(index);
        index
    }

    /// Writes for as long as it may.
    fn go_on(&mut self, index: usize) {
        let ticket = index as Ticket;
        while self.transfers[index].left > 0 {
            let moving = &mut self.transfers[index];
            let ask = Ask {
                ticket,
                priority: moving.priority,
                octets: moving.left.min(BLOCK),
                is_first: std::mem::take(&mut moving.is_first),
            };
            match self.turns.ask(ask, self.now) {
                Some(octets) => self.write(index, octets),
                None => {
                    self.transfers[index].is_waiting = true;
                    return;
                }
            }
        }
        self.turns.leave(ticket, self.transfers[index].priority);
        self.transfers[index].done_at = Some(self.now);
    }

    fn write(&mut self, index: usize, octets: usize) {
        let moving = &mut self.transfers[index];
        moving.left -= octets;
        moving.is_waiting = false;
        moving.longest_pause = moving.longest_pause.max(self.now - moving.last_at);
        moving.last_at = self.now;
    }

    fn settle(&mut self) {
        while let Some(grant) = self.turns.grant(self.now) {
            let index = usize::try_from(grant.ticket).expect("small");
            self.write(index, grant.octets);
            self.go_on(index);
        }
    }

    /// Lets time pass until `end`, waking when the turns ask for it.
    fn run_until(&mut self, end: Duration) {
        let end = self.start + end;
        loop {
            self.settle();
            let next = self.turns.next_at(self.now).filter(|&at| at <= end);
            let Some(next) = next else { break };
            assert!(next > self.now, "what is due was given out");
            self.now = next;
        }
        self.now = end;
    }

    fn written_at(&self, index: usize) -> Option<Duration> {
        Some(self.transfers[index].done_at? - self.start)
    }

    fn left(&self, index: usize) -> usize {
        self.transfers[index].left
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_large_transfer_stops_in_the_middle_and_goes_on_afterwards() {
    let mut line = Line::new(1_000_000);
    let large = line.add(5, 20_000_000);
    line.run_until(seconds(5));
    let before = line.left(large);
    assert!((14_900_000..15_100_000).contains(&before), "{before}");
    let urgent = line.add(1, 2_000_000);
    line.run_until(seconds(6));
    assert_eq!(line.left(large), before, "it stands still");
    line.run_until(seconds(25));
    let at = line.written_at(urgent).expect("written");
    assert!((at.as_secs_f64() - 7.0).abs() < 0.1, "{at:?}");
    let at = line.written_at(large).expect("it went on");
    assert!((at.as_secs_f64() - 22.0).abs() < 0.1, "{at:?}");
}

#[test]
fn a_small_urgent_message_waits_for_one_piece_at_most() {
    for rate in [10_000, 100_000, 1_000_000, 100_000_000] {
        let mut line = Line::new(rate);
        line.add(5, usize::MAX);
        line.run_until(seconds(1));
        let asked = line.now;
        let urgent = line.add(1, 500);
        line.run_until(seconds(2));
        let wait = line.transfers[urgent].done_at.expect("written") - asked;
        // One piece of a kilobyte takes longer than 20 ms on the slowest of these lines.
        assert!(wait <= Duration::from_millis(110), "{rate}: {wait:?}");
    }
}

#[test]
fn within_one_priority_everyone_gets_as_much() {
    let mut line = Line::new(1_000_000);
    let transfers: Vec<_> = (0..10).map(|_| line.add(3, usize::MAX)).collect();
    line.run_until(seconds(10));
    let written = transfers.iter().map(|&it| usize::MAX - line.left(it));
    for octets in written {
        assert!((950_000..1_070_000).contains(&octets), "{octets}");
    }
}

#[test]
fn the_whole_line_is_used_whoever_waits() {
    let mut line = Line::new(1_000_000);
    let transfers: Vec<_> = (1..=5).map(|it| line.add(it, 1_000_000)).collect();
    line.run_until(seconds(6));
    let written: Vec<_> = transfers.iter().map(|&it| line.written_at(it)).collect();
    for (second, at) in (1..).zip(&written) {
        let at = at.expect("written").as_secs_f64();
        assert!((at - f64::from(second)).abs() < 0.1, "{written:?}");
    }
}

#[test]
fn nobody_pauses_for_so_long_that_its_peer_gives_up() {
    let mut line = Line::new(100_000);
    let paused: Vec<_> = (0..20).map(|_| line.add(5, 1_000_000)).collect();
    let urgent = line.add(1, usize::MAX);
    line.run_until(seconds(600));
    for &index in &paused {
        let pause = line.transfers[index].longest_pause;
        assert!(pause > MAX_PAUSE / 2, "it is held back: {pause:?}");
        assert!(pause < MAX_PAUSE + seconds(1), "{pause:?}");
    }
    // 20 transfers have a kilobyte each half minute: less than one per cent of the line.
    assert!(usize::MAX - line.left(urgent) > 59_000_000);
}

#[test]
fn those_that_paused_for_long_never_have_more_than_every_other_turn() {
    let mut line = Line::new(10_000);
    for _ in 0..500 {
        line.add(5, 100_000);
    }
    line.run_until(MAX_PAUSE + seconds(1));
    let urgent = line.add(1, 20_000);
    let asked = line.now;
    line.run_until(seconds(60));
    let wait = line.transfers[urgent].done_at.expect("written") - asked;
    assert!(wait <= seconds(5), "{wait:?}");
}

#[test]
fn commands_are_paid_for_by_content() {
    let mut line = Line::new(1_000_000);
    line.turns.spend(1_000_000, line.now);
    let transfer = line.add(1, 1000);
    line.run_until(Duration::from_millis(900));
    assert_eq!(line.written_at(transfer), None);
    line.run_until(seconds(1));
    assert!(line.written_at(transfer).is_some());
}

/// Asks for a turn of a transfer that is written by hand.
fn ask(turns: &mut Turns, ticket: Ticket, number: u8, now: Instant) -> Option<usize> {
    let ask = Ask {
        ticket,
        priority: priority(number),
        octets: BLOCK,
        is_first: false,
    };
    turns.ask(ask, now)
}

#[test]
fn without_a_limit_a_transfer_steps_aside_while_more_urgent_octets_flow() {
    let (mut turns, now) = (Turns::new(None, MAX_PAUSE), Instant::now());
    assert_eq!(ask(&mut turns, 1, 2, now), Some(BLOCK));
    assert_eq!(ask(&mut turns, 2, 4, now), None, "the other one writes");
    assert_eq!(turns.grant(now), None);
    let small = ask(&mut turns, 1, 2, now);
    assert_eq!(small, Some(CONTENDED_PIECE), "somebody waits for it");
    turns.leave(1, priority(2));
    let granted = turns.grant(now).expect("nobody more urgent is left");
    assert_eq!((granted.ticket, granted.octets), (2, BLOCK));
}

#[test]
fn without_a_limit_a_slow_peer_of_urgent_mail_holds_nobody_back() {
    let (mut turns, now) = (Turns::new(None, MAX_PAUSE), Instant::now());
    assert!(ask(&mut turns, 1, 1, now).is_some());
    assert_eq!(ask(&mut turns, 2, 5, now), None);
    let next = turns.next_at(now).expect("it waits");
    assert_eq!(next, now + FLOWING);
    assert_eq!(turns.grant(next).map(|grant| grant.ticket), Some(2));
    assert!(ask(&mut turns, 3, 5, next).is_some(), "nor anybody else");
}

#[test]
fn without_a_limit_the_first_block_of_a_message_never_waits() {
    let (mut turns, now) = (Turns::new(None, MAX_PAUSE), Instant::now());
    assert!(ask(&mut turns, 1, 1, now).is_some());
    let first = Ask {
        ticket: 2,
        priority: priority(5),
        octets: BLOCK,
        is_first: true,
    };
    assert_eq!(turns.ask(first, now), Some(BLOCK));
}

#[test]
fn without_a_limit_equals_do_not_wait_for_each_other() {
    let (mut turns, now) = (Turns::new(None, MAX_PAUSE), Instant::now());
    for ticket in 0..100 {
        assert_eq!(ask(&mut turns, ticket, 3, now), Some(BLOCK));
    }
}

#[test]
fn who_leaves_while_it_waits_has_no_turn() {
    let (mut turns, now) = (Turns::new(NonZeroU32::new(1000), MAX_PAUSE), Instant::now());
    turns.spend(10_000, now);
    assert_eq!(ask(&mut turns, 1, 3, now), None);
    assert_eq!(ask(&mut turns, 2, 3, now), None);
    turns.leave(1, priority(3));
    let later = turns.next_at(now).expect("one waits");
    assert_eq!(turns.grant(later).map(|grant| grant.ticket), Some(2));
    turns.leave(2, priority(3));
    assert_eq!(turns.next_at(later), None);
}
