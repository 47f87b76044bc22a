//! The process under test: found beside the test, started, watched, ended by its own id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The built `gatepost`, beside the running test or tool: `target/<profile>/gatepost`.
///
/// # Panics
/// When it has not been built.
pub(super) fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    let candidates = own.ancestors().skip(1).take(2);
    let found = candidates
        .map(|folder| folder.join("gatepost"))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "there is no `gatepost` beside {}\nhint: run `cargo build` with the same profile first",
            own.display()
        )
    })
}

/// A `gatepost serve` that ends when it is dropped.
pub(super) struct Process(Child);

impl Process {
    pub(super) fn serve(folder: &Path, config: &Path, environment: &[(String, String)]) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(log_path(folder))
            .expect("the log can be opened");
        let child = Command::new(binary())
            .arg("serve")
            .arg("--config")
            .arg(config)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("gatepost can be started");
        Self(child)
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be asked")
    }

    pub(super) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub(super) fn hangup(&self) {
        let id = self.0.id();
        assert!(signal("-HUP", id), "kill -HUP {id}");
    }

    pub(super) fn terminate(&self) {
        let id = self.0.id();
        assert!(signal("-TERM", id), "kill -TERM {id}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills a child that has not ended within a limit. It is dropped as soon as the child has been
/// waited for, long before its id can be another's.
pub(super) struct EndAfter(Option<mpsc::Sender<()>>, Option<JoinHandle<()>>);

impl EndAfter {
    pub(super) fn new(child: &Child, limit: Duration) -> Self {
        let id = child.id();
        let (sender, receiver) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            if receiver.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                signal("-KILL", id);
            }
        });
        Self(Some(sender), Some(thread))
    }
}

impl Drop for EndAfter {
    fn drop(&mut self) {
        drop(self.0.take());
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

fn signal(name: &str, id: u32) -> bool {
    let sent = Command::new("kill").args([name, &id.to_string()]).status();
    sent.is_ok_and(|status| status.success())
}

pub(super) fn log(folder: &Path) -> String {
    let octets = std::fs::read(log_path(folder)).unwrap_or_default();
    String::from_utf8_lossy(&octets).into_owned()
}

/// A field of `/proc/<pid>/status` that counts KiB, for example `VmHWM:`.
pub(super) fn memory_kib(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("gatepost.log")
}
