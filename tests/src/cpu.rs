//! Measures the processor time of a server, however many processes it is made of.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

/// Linux reports process times in hundredths of a second (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What of `/proc/<pid>/stat` is needed.
struct Process {
    id: u32,
    parent: u32,
    threads: u32,
    own: Duration,
    reaped: Duration,
}

/// Processor time, user and system, that a process, its living descendants and those they have waited
/// for have used since they were started.
pub fn of_tree(root: u32) -> Duration {
    let all = processes();
    let mut tree = HashSet::from([root]);
    loop {
        let before = tree.len();
        let children = all.iter().filter(|it| tree.contains(&it.parent));
        let found: Vec<_> = children.map(|it| it.id).collect();
        tree.extend(found);
        if tree.len() == before {
            break;
        }
    }
    let members = all.iter().filter(|it| tree.contains(&it.id));
    members.map(|it| it.own() + it.reaped).sum()
}

/// Processor time of a process alone, to the nanosecond: that of the threads it has now.
pub fn of_threads(id: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else {
        return Duration::ZERO;
    };
    let names = threads.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter_map(|thread| scheduled(&format!("/proc/{id}/task/{thread}/schedstat")))
        .sum()
}

impl Process {
    /// The scheduler's own count is finer than a tick, but one of a single thread.
    fn own(&self) -> Duration {
        let is_single = self.threads == 1;
        let fine = is_single.then(|| scheduled(&format!("/proc/{}/schedstat", self.id)));
        let fine = fine.flatten();
        fine.unwrap_or(self.own)
    }
}

fn processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?))
        .collect()
}

/// The fields of proc(5) after the name in parentheses, which may hold anything.
fn parse(id: u32, stat: &str) -> Option<Process> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<_> = fields.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(Process {
        id,
        parent: number(1)?,
        own: TICK * (number(11)? + number(12)?),
        reaped: TICK * (number(13)? + number(14)?),
        threads: number(17)?,
    })
}

fn scheduled(path: &str) -> Option<Duration> {
    let text = fs::read_to_string(path).ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_read_over() {
        let stat =
            "7 (a) b (c) S 3 7 7 0 -1 4194304 1 2 3 4 100 50 20 10 20 0 1 0 99 1 1 1".to_owned();
        let process = parse(7, &stat).expect("a process");
        assert_eq!((process.parent, process.threads), (3, 1));
        assert_eq!(process.own, Duration::from_millis(1500));
        assert_eq!(process.reaped, Duration::from_millis(300));
    }

    #[test]
    fn work_of_this_process_counts() {
        let id = std::process::id();
        let before = of_tree(id);
        crate::wait::until("work shows", crate::wait::PATIENCE, || {
            std::hint::black_box((0..2_000_000_u64).map(std::hint::black_box).sum::<u64>());
            of_tree(id) > before
        });
    }

    #[test]
    fn work_of_a_thread_counts_to_the_microsecond() {
        let id = std::process::id();
        let before = of_threads(id);
        std::hint::black_box((0..200_000_u64).map(std::hint::black_box).sum::<u64>());
        crate::wait::until("work shows", crate::wait::PATIENCE, || {
            of_threads(id) > before
        });
    }
}
