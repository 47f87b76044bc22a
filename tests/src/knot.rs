//! Knot, Debian's authoritative DNS server, on loopback: a whole DNS of its own, signed from the root.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::relay::{free_port, new_folder};
use crate::wait;

const KNOTD: &str = "/usr/sbin/knotd";

/// A name server for everything there is. It ends, and its folder goes, when it is dropped.
pub struct Knot {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl Knot {
    /// Serves the root with these records, signed, and these zones below it, unsigned: each a name without
    /// its last dot, and its records; without records it cannot be answered for.
    ///
    /// # Errors
    /// When Debian's packages `knot` and `knot-dnsutils` are not installed, or the zones make no sense.
    pub fn start(root: &str, unsigned: &[(&str, &str)]) -> Result<Self> {
        ensure!(
            Path::new(KNOTD).exists(),
            "Knot DNS is not installed\nhint: tests/run installs it"
        );
        let folder = new_folder();
        let port = free_port();
        write_zones(&folder, root, unsigned).context("writing the zones of Knot")?;
        write_config(&folder, port, unsigned).context("writing the config of Knot")?;
        let log = fs::File::create(folder.join("log"))?;
        let process = Command::new(KNOTD)
            .arg("-c")
            .arg(folder.join("knot.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting knotd")?;
        let knot = Self {
            folder,
            port,
            process,
        };
        wait::until("Knot has signed the root", wait::PATIENCE, || {
            knot.keys().is_ok_and(|keys| keys.contains("DNSKEY"))
        });
        fs::write(knot.anchor(), knot.keys()?)?;
        Ok(knot)
    }

    /// Where it answers.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The file of the root's keys, for `trust-anchor-file`.
    pub fn anchor(&self) -> PathBuf {
        self.folder.join("root.key")
    }

    /// `[delivery.dns]` as keys of `[delivery]`, with more keys of it.
    pub fn section(&self, more: &str) -> String {
        format!(
            "dns = {{ servers = [\"{}\"], timeout-s = 2, attempts = 1, trust-anchor-file = {:?}{more} }}\n",
            self.address(),
            self.anchor().display().to_string()
        )
    }

    /// The keys of the root as zone file lines.
    fn keys(&self) -> Result<String> {
        let output = Command::new("kdig")
            .args(["@127.0.0.1", "-p", &self.port.to_string(), ".", "DNSKEY"])
            .args(["+noall", "+answer", "+timeout=1", "+retry=0"])
            .output()
            .context("starting kdig")?;
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the files of Knot are kept in {}", self.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn write_zones(folder: &Path, root: &str, unsigned: &[(&str, &str)]) -> Result<()> {
    let start = "@ 60 SOA ns. admin. 1 3600 600 86400 5\n@ 60 NS ns.\n";
    let mut text = format!("$TTL 60\n$ORIGIN .\n{start}ns. 60 A 127.0.0.1\n{root}\n");
    for (name, records) in unsigned {
        writeln!(text, "{name}. NS ns.")?;
        if !records.is_empty() {
            let zone = format!("$TTL 60\n$ORIGIN {name}.\n{start}{records}\n");
            fs::write(folder.join(format!("{name}.zone")), zone)?;
        }
    }
    fs::write(folder.join("root.zone"), text)?;
    Ok(())
}

fn write_config(folder: &Path, port: u16, unsigned: &[(&str, &str)]) -> Result<()> {
    let path = folder.display();
    let mut text = format!(
        "server:\n    rundir: {path}\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    tcp-workers: 1\n\
         \x20   background-workers: 1\n\
         log:\n  - target: stderr\n    any: warning\n\
         database:\n    storage: {path}\n    journal-db-max-size: 8M\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n\
         policy:\n  - id: sign\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n\
         template:\n  - id: default\n    storage: {path}\n    zonefile-sync: -1\n    journal-content: none\n\
         zone:\n  - domain: .\n    file: root.zone\n    dnssec-signing: on\n    dnssec-policy: sign\n"
    );
    for (name, _) in unsigned {
        writeln!(text, "  - domain: {name}.\n    file: {name}.zone")?;
    }
    fs::write(folder.join("knot.conf"), text)?;
    Ok(())
}
