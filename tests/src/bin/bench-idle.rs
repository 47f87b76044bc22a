//! Measures the memory of the relay while many sessions are logged in and idle.
//!
//! `bench-idle [SESSIONS]`, 10,000 by default; first without TLS, then with it. Ends by itself, with 1 when
//! the bar is missed or a session was lost.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatepost_tests::load::{Crowd, Load};
use gatepost_tests::relay::{Relay, Setup};
use tokio::task::LocalSet;

/// Sessions when no number is given: as many as a relay takes by default.
const SESSIONS: usize = 10_000;
/// What the relay may have resident with that many sessions, in KiB.
const BAR_KIB: u64 = 200 * 1024;
/// Time for the relay to come to rest before it is measured.
const REST: Duration = Duration::from_secs(5);
/// One client, one user, and nobody is in a hurry.
const LIMITS: &str = "\n[submission]\nmax-connections = 20000\nmax-connections-per-address = 20000\n\
     max-connections-per-user = 20000\ncommand-timeout-s = 3600\nhandshake-timeout-s = 300\n";

fn main() -> anyhow::Result<ExitCode> {
    let count = std::env::args().nth(1).map_or(Ok(SESSIONS), |text| {
        text.parse()
            .with_context(|| format!("`{text}` is no number of sessions"))
    })?;
    let resident_kib = measure(count, false)?.max(measure(count, true)?);
    let is_missed = count == SESSIONS && resident_kib > BAR_KIB;
    if is_missed {
        eprintln!("error: more than {} MiB", BAR_KIB / 1024);
    }
    Ok(ExitCode::from(u8::from(is_missed)))
}

/// The memory with so many sessions, in KiB.
fn measure(count: usize, tls: bool) -> anyhow::Result<u64> {
    let relay = Relay::start(&Setup::maildir().with(LIMITS));
    let user = relay.add_shop_user(&[]);
    let load = Load {
        tls,
        ..Load::on(relay.port(), &user)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        // The first login brings into memory what every login needs.
        drop(Crowd::gather(&load, 1).await?);
        let before_kib = relay.resident_memory_kib();
        let began = Instant::now();
        let mut crowd = Crowd::gather(&load, count).await.context(
            "opening the sessions (each needs a descriptor here and one in the relay: see ulimit -n)",
        )?;
        let took = began.elapsed();
        tokio::time::sleep(REST).await;
        let resident_kib = relay.resident_memory_kib();
        let each = (resident_kib.saturating_sub(before_kib)) as f64 / count as f64;
        println!(
            "{count} idle sessions {} TLS: {} MiB resident, {} MiB before them, {each:.1} KiB for each; \
             peak {} MiB; logged in within {:.1} s",
            if tls { "under" } else { "without" },
            resident_kib / 1024,
            before_kib / 1024,
            relay.peak_memory_kib() / 1024,
            took.as_secs_f64(),
        );
        let alive = crowd.alive().await;
        ensure!(alive == count, "only {alive} of {count} sessions are alive");
        Ok(resident_kib)
    })
}
