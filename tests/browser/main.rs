//! The panel in Debian's Chromium, driven through its stories by Playwright; `axe` examines each page.
//!
//! With `SCREENSHOTS=FOLDER` a picture of every page at both widths is kept there. A machine without the browser says so;
//! under `CI` that is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use gatepost_tests::panel::Paneled;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, Setup};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");
/// Where Debian has it.
const CHROMIUM: &str = "/usr/bin/chromium";

#[test]
fn the_documented_product_from_its_first_page_to_its_last() {
    run("story.mjs");
}

#[test]
fn the_panel_is_whole_without_javascript() {
    run("without_script.mjs");
}

#[test]
fn every_page_is_accessible_and_fits_a_desktop_and_a_phone() {
    run("pages.mjs");
}

#[test]
fn relays_that_share_a_store_are_seen_and_one_that_dies_is_missed() {
    if is_missing() {
        return;
    }
    let url = Cluster::shared().database();
    let node = |name: &str| {
        let tables = format!("\n[node]\nname = {name:?}\n");
        Setup::maildir().on_server(&url).with(&tables)
    };
    let panel = Paneled::with(node("one"), "");
    let other = Relay::start(&node("other"));
    drive("nodes.mjs", &panel, &[("OTHER", other.pid().to_string())]);
}

/// Runs a story against a relay of its own.
fn run(story: &str) {
    if !is_missing() {
        drive(story, &Paneled::start(), &[]);
    }
}

/// Whether the suite cannot run here, which is said.
fn is_missing() -> bool {
    let missing = missing();
    if let Some(missing) = &missing {
        let missing = missing.display();
        assert!(std::env::var_os("CI").is_none(), "{missing} is missing");
        eprintln!("NOT RUN: {missing} is missing; tests/needs all installs it");
    }
    missing.is_some()
}

/// Runs a story against this relay, and tells it more.
fn drive(story: &str, panel: &Paneled, more: &[(&str, String)]) {
    let link = format!("http://127.0.0.1:{}{}", panel.port, panel.link("root", &[]));
    let output = Command::new("node")
        .arg(Path::new(FOLDER).join(story))
        .env("CHROMIUM", CHROMIUM)
        .env("PANEL", format!("http://127.0.0.1:{}", panel.port))
        .env("LINK", link)
        .env("SMTP_PORT", panel.relay.port().to_string())
        .envs(more.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("node runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{story}:\n{complaints}");
}

/// What the suite needs and does not find.
fn missing() -> Option<PathBuf> {
    let modules = Path::new(FOLDER).join("node_modules/playwright-core/package.json");
    let wanted = [
        PathBuf::from(CHROMIUM),
        PathBuf::from("/usr/bin/node"),
        modules,
    ];
    wanted.into_iter().find(|path| !path.exists())
}
