//! The command line of the relay under test, with its output as values.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{Relay, process};

/// How long a command may take: the demo takes longest.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// A user of a list, with the password that is shown once.
#[derive(Clone, Debug)]
pub struct User {
    /// The name to log in with.
    pub username: String,
    /// The password.
    pub password: String,
}

/// What a command printed and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; none when it had to be ended.
    pub code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Errors and logs.
    pub stderr: String,
}

impl Output {
    /// Ends the test unless the command succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The JSON on standard output.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("{error} in {:?}\n{}", self.stdout, self.stderr),
        }
    }
}

/// Runs the built `gatepost` with these arguments; one that does not end by itself is ended.
///
/// # Panics
/// When it cannot be started.
pub fn gatepost(arguments: &[&str]) -> Output {
    gatepost_with(arguments, &[])
}

/// The same with more variables in the environment.
///
/// # Panics
/// When it cannot be started.
pub fn gatepost_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    run(arguments, environment, COMMAND_LIMIT)
}

/// The same for a command that may take longer: compiling a module that brings an interpreter takes a minute
/// where neither it nor Gatepost is optimised.
///
/// # Panics
/// When it cannot be started.
pub fn gatepost_within(limit: Duration, arguments: &[&str]) -> Output {
    run(arguments, &[], limit)
}

/// The same for a command that may have so much address space.
///
/// # Panics
/// When it cannot be started.
pub fn gatepost_confined(address_space_kib: u64, arguments: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("ulimit -v {address_space_kib}; exec \"$@\"")])
        .arg("sh")
        .arg(process::binary())
        .args(arguments);
    output(&mut shell, COMMAND_LIMIT)
}

fn run(arguments: &[&str], environment: &[(&str, &str)], limit: Duration) -> Output {
    let mut command = Command::new(process::binary());
    command.args(arguments).envs(environment.iter().copied());
    output(&mut command, limit)
}

fn output(command: &mut Command, limit: Duration) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gatepost can be started");
    let end = process::EndAfter::new(&child, limit);
    let output = child.wait_with_output().expect("a child can be waited for");
    drop(end);
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Relay {
    /// Runs a command with this relay's config.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let config = self.config();
        let config = config.to_str().expect("the temporary folder is UTF-8");
        gatepost(&[arguments, &["--config", config]].concat())
    }

    /// Runs a command that succeeds, with `--json`.
    ///
    /// # Panics
    /// When it fails or prints no JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.cli(&[arguments, &["--json"]].concat())
            .succeeded()
            .json()
    }

    /// Makes a list.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn add_list(&self, name: &str) {
        self.cli(&["list", "add", name]).succeeded();
    }

    /// Makes a user of a list; `options` are those of `user add`.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn add_user(&self, list: &str, options: &[&str]) -> User {
        let user = self.json(&[&["user", "add", "--list", list], options].concat());
        User {
            username: text(&user, "username"),
            password: text(&user, "password"),
        }
    }

    /// Makes a list named `shop` and a user of it.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn add_shop_user(&self, options: &[&str]) -> User {
        self.add_list("shop");
        self.add_user("shop", options)
    }

    /// The alerts of a list.
    ///
    /// # Panics
    /// When they cannot be had.
    #[track_caller]
    pub fn alerts(&self, list: &str) -> Vec<Value> {
        let alerts = self.json(&["alert", "list", "--list", list]);
        alerts
            .as_array()
            .cloned()
            .unwrap_or_else(|| panic!("not an array: {alerts}"))
    }
}

#[track_caller]
fn text(value: &Value, field: &str) -> String {
    match value[field].as_str() {
        Some(text) => text.to_owned(),
        None => panic!("no `{field}` in {value}"),
    }
}
