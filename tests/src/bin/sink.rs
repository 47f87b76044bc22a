//! `gatepost-sink`: a next hop that accepts everything; prints its count whenever a line is sent to it.
//!
//! It prints `listening on PORT`, then answers each line on its input with one line of JSON:
//! `{"count":…,"unique":…,"duplicates":…,"connections":…}`. It ends when its input does.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use gatepost_tests::sink::{Script, Sink};
use serde_json::json;

fn main() -> Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "0".into());
    let port: u16 = port
        .parse()
        .with_context(|| format!("`{port}` is not a port; usage: gatepost-sink [PORT]"))?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let sink = Sink::start_on(address, Script::default())
        .with_context(|| format!("listening on {address}"))?;
    let mut output = std::io::stdout();
    writeln!(output, "listening on {}", sink.port())?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let counts = sink.log(|log| {
            json!({
                "count": log.deliveries().len(),
                "unique": log.unique(),
                "duplicates": log.duplicates(),
                "connections": log.connections(),
            })
        });
        writeln!(output, "{counts}")?;
        output.flush()?;
    }
    Ok(())
}
