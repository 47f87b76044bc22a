//! Starts the built `gatepost` binary as an administrator would, in a folder of its own, and ends it.

mod cli;
mod process;
mod setup;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub use self::cli::{Output, User, gatepost, gatepost_confined, gatepost_with, gatepost_within};
use self::process::Process;
pub use self::setup::{Delivery, Setup};
use crate::client::Client;
use crate::wait;

/// Ports that [`free_port`] gives. Linux takes those of connections from 32768 on.
const GIVEN_PORTS: std::ops::Range<u16> = 15_000..32_000;

/// A relay: its folder with config and store, and its process while it runs.
///
/// When it is dropped its process is killed and its folder removed. When a test fails, the folder
/// stays and the end of the log is shown.
pub struct Relay {
    folder: PathBuf,
    port: u16,
    /// What its process finds in its environment beside the usual.
    environment: Vec<(String, String)>,
    process: Option<Process>,
}

impl Relay {
    /// Writes the config, starts the relay and waits until it listens.
    ///
    /// # Panics
    /// When it does not listen within [`wait::PATIENCE`], with what it printed.
    pub fn start(setup: &Setup) -> Self {
        let mut relay = Self::prepare(setup);
        relay.restart();
        relay
    }

    /// Writes the config of a relay and starts nothing.
    ///
    /// # Panics
    /// When no folder or port can be had.
    pub fn prepare(setup: &Setup) -> Self {
        let folder = new_folder();
        let port = free_port();
        let relay = Self {
            folder,
            port,
            environment: setup.environment.clone(),
            process: None,
        };
        relay.configure(&setup.to_toml(port));
        relay
    }

    /// Replaces the text of the config file; a running relay does not see it.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.config(), text).expect("the config can be written");
    }

    /// The config file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("gatepost.toml")
    }

    /// The folder with the config, the store and the log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The port for submission.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Connects for submission.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.port)
    }

    /// Connects and logs in.
    #[track_caller]
    pub fn login(&self, user: &User) -> Client {
        let mut client = self.connect();
        client.login(&user.username, &user.password);
        client
    }

    /// Starts it again on the same store.
    ///
    /// # Panics
    /// When it does not listen within [`wait::PATIENCE`], with what it printed.
    pub fn restart(&mut self) {
        self.kill();
        let mut process = Process::serve(&self.folder, &self.config(), &self.environment);
        let port = self.port;
        wait::until("gatepost listens", wait::PATIENCE, || {
            if let Some(status) = process.ended() {
                panic!(
                    "gatepost ended at once: {status}\n{}",
                    tail(&process::log(&self.folder))
                );
            }
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        self.process = Some(process);
    }

    /// Ends it by SIGKILL, as a power failure would, and waits for its end. Does nothing when it does not run.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Asks it to end by SIGTERM and waits for it.
    ///
    /// # Panics
    /// When it has not ended within [`wait::PATIENCE`].
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        self.ask_to_end();
        self.wait_for_end()
    }

    /// Asks it to end by SIGTERM.
    ///
    /// # Panics
    /// When it does not run.
    pub fn ask_to_end(&self) {
        let process = self.process.as_ref().expect("the relay runs");
        process.terminate();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within [`wait::PATIENCE`].
    pub fn wait_for_end(&mut self) -> std::process::ExitStatus {
        let mut process = self.process.take().expect("the relay runs");
        wait::until_some("gatepost ended", wait::PATIENCE, || process.ended())
    }

    /// Asks it by SIGHUP to read its files again; it does so in the background.
    ///
    /// # Panics
    /// When it does not run.
    pub fn hangup(&self) {
        self.process.as_ref().expect("the relay runs").hangup();
    }

    /// True while its process lives.
    pub fn is_running(&mut self) -> bool {
        (self.process.as_mut()).is_some_and(|process| process.ended().is_none())
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the relay runs").id()
    }

    /// The most memory it had resident since it was started, in KiB.
    ///
    /// # Panics
    /// When it does not run.
    pub fn peak_memory_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    /// The memory it has resident now, in KiB.
    ///
    /// # Panics
    /// When it does not run.
    pub fn resident_memory_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    fn memory_kib(&self, field: &str) -> u64 {
        process::memory_kib(self.pid(), field).expect("a running process has a status")
    }

    /// What it logged since its folder was made.
    pub fn log(&self) -> String {
        process::log(&self.folder)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!(
                "--- the log of gatepost in {} ---\n{}",
                self.folder.display(),
                tail(&self.log())
            );
            return;
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A port of loopback that is free now, and that no connection takes meanwhile: below those that the system gives out.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let ports = u32::from(GIVEN_PORTS.end - GIVEN_PORTS.start);
    // Test programs that run side by side begin far apart.
    let first = std::process::id().wrapping_mul(601);
    let mut candidates = (0..ports).map(|_| {
        let place = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % ports;
        GIVEN_PORTS.start + u16::try_from(place).expect("less than there are ports")
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.find(is_free).expect("loopback has free ports")
}

/// A folder of its own below the system's temporary folder.
///
/// # Panics
/// When it cannot be made.
pub fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("gatepost-test-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    folder
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
