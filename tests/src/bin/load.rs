//! `gatepost-load`: submits messages to a relay and prints accepted per second and the time to each `250`.

use std::collections::HashMap;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gatepost_tests::load::Load;

const USAGE: &str = "\
usage: gatepost-load --address HOST:PORT [options]
  --user NAME --password TEXT   log in by AUTH PLAIN (without them: no login)
  --connections N               concurrent connections (16)
  --per-session N               messages of one connection (20)
  --size OCTETS                 size of a message (4096)
  --count N                     messages in all (2000)
  --seconds N                   begin no message after this time (60)
  --from ADDRESS --to ADDRESS   reverse-path and forward-path
  --run TEXT                    beginning of the X-Test-Id values (load)
  --tls                         STARTTLS first
  --no-pipelining               wait for each reply, also when PIPELINING is offered
  --json                        print the figures as JSON
exits with 1 when nothing was accepted or anything failed";

/// Options that stand alone; all others take a value.
const SWITCHES: [&str; 4] = ["tls", "no-pipelining", "json", "help"];

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run() -> Result<ExitCode> {
    let options = Options::parse(std::env::args().skip(1))?;
    if options.has("help") {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let json = options.has("json");
    let report = options.load()?.run()?;
    if json {
        println!("{}", report.to_json());
    } else {
        println!("{report}");
    }
    let failed = report.accepted == 0 || report.failures > 0;
    Ok(ExitCode::from(u8::from(failed)))
}

struct Options(HashMap<String, String>);

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = HashMap::new();
        while let Some(argument) = arguments.next() {
            let name = argument
                .strip_prefix("--")
                .with_context(|| format!("`{argument}` is not an option\n{USAGE}"))?;
            let value = if SWITCHES.contains(&name) {
                String::new()
            } else {
                let value = arguments.next();
                value.with_context(|| format!("--{name} needs a value\n{USAGE}"))?
            };
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes an option out, so that what is left at the end is unknown.
    fn take<T: FromStr>(&mut self, name: &str, default: &str) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.0.remove(name).unwrap_or_else(|| default.to_owned());
        text.parse()
            .with_context(|| format!("--{name} {text}\n{USAGE}"))
    }

    fn load(mut self) -> Result<Load> {
        for switch in ["json", "help"] {
            self.0.remove(switch);
        }
        let load = Load {
            tls: self.0.remove("tls").is_some(),
            pipelining: self.0.remove("no-pipelining").is_none(),
            address: self.take("address", "")?,
            user: self.take("user", "")?,
            password: self.take("password", "")?,
            connections: self.take("connections", "16")?,
            per_session: self.take("per-session", "20")?,
            size: self.take("size", "4096")?,
            count: self.take("count", "2000")?,
            time: Duration::from_secs(self.take("seconds", "60")?),
            from: self.take("from", "orders@example.com")?,
            to: self.take("to", "customer@example.net")?,
            run: self.take("run", "load")?,
        };
        if let Some(unknown) = self.0.keys().next() {
            bail!("--{unknown} is not known\n{USAGE}");
        }
        Ok(load)
    }
}
