//! Mail that clients keep submitting while something happens to the nodes.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::User;
use gatepost_tests::wait;

use super::{FROM, PATIENCE, TO};

/// Connections that submit to each node at the same time.
const CONNECTIONS: usize = 4;

/// Submits from threads to whichever node answers.
pub(super) struct Load {
    ports: Vec<u16>,
    user: User,
    stop: AtomicBool,
    next: AtomicU64,
    accepted: Mutex<HashSet<String>>,
}

impl Load {
    pub(super) fn new(ports: &[u16], user: User) -> Self {
        Self {
            ports: ports.to_vec(),
            user,
            stop: AtomicBool::new(false),
            next: AtomicU64::new(0),
            accepted: Mutex::default(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.accepted.lock().expect("no submitter panics").len()
    }

    pub(super) fn accepted(&self) -> HashSet<String> {
        self.accepted.lock().expect("no submitter panics").clone()
    }

    fn run(&self, port: u16) {
        while !self.stop.load(Ordering::Relaxed) {
            // Whatever becomes of a connection: the next one is tried, at no great pace.
            let _ = self.session(port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn session(&self, port: u16) -> std::io::Result<()> {
        let mut client = Client::try_connect(port)?;
        client.try_login(&self.user.username, &self.user.password)?;
        for _ in 0..20 {
            let id = message::id("node", self.next.fetch_add(1, Ordering::Relaxed));
            let content = message::short(FROM, TO, &id);
            if client.try_submit(FROM, TO, &content)?.code == 250 {
                self.accepted
                    .lock()
                    .expect("no submitter panics")
                    .insert(id);
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Has the load run while `incident` happens.
    pub(super) fn during(&self, incident: impl FnOnce()) {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        std::thread::scope(|scope| {
            let _stop = Stop(&self.stop);
            for port in &self.ports {
                for _ in 0..CONNECTIONS {
                    scope.spawn(|| self.run(*port));
                }
            }
            self.more(50);
            incident();
        });
    }

    /// Waits until so many more are accepted.
    pub(super) fn more(&self, count: usize) {
        let before = self.count();
        wait::until("more mail is accepted", PATIENCE, || {
            self.count() >= before + count
        });
    }
}
