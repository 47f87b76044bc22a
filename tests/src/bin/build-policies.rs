//! Builds the guests whose bytes are in the tree: writes them, or with `--check` compares them.

use std::process::ExitCode;

use anyhow::Context as _;
use gatepost_tests::guests::{self, GUESTS, Guest};

const USAGE: &str = "usage: build-policies [--check]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let step = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => write,
        ["--check"] => check,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match GUESTS.iter().try_for_each(step) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write(guest: &Guest) -> anyhow::Result<()> {
    let bytes = guests::build(guest.package)?;
    let path = guest.path();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, &bytes).with_context(|| format!("writing {}", guest.built))?;
    println!("{}: {} octets", guest.built, bytes.len());
    Ok(())
}

fn check(guest: &Guest) -> anyhow::Result<()> {
    guest.check()?;
    println!("{}: is what its source builds to", guest.built);
    Ok(())
}
