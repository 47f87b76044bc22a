//! Pebble, the ACME authority for tests, on loopback: it really validates, and it makes a new root at
//! each start. Every name resolves to loopback, by its own DNS server.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use gatepost::tls::{Roots, Verification, client_config, self_signed};
use tokio_rustls::rustls::ClientConfig;

use crate::relay::{free_port, new_folder};
use crate::{http, wait};

/// A running authority; it ends when it is dropped.
pub struct Pebble {
    folder: PathBuf,
    port: u16,
    management_port: u16,
    processes: Vec<Child>,
}

impl Pebble {
    /// Starts an authority that looks for HTTP-01 challenges at a port of loopback, and whose
    /// certificates are valid for so many seconds.
    ///
    /// # Panics
    /// When Debian's package `pebble` is not installed, or does not listen.
    pub fn start(http_port: u16, validity_s: u64) -> Self {
        let folder = new_folder();
        let own =
            self_signed(&folder, "localhost").expect("a certificate for the authority itself");
        let (port, management_port, dns_port) = (free_port(), free_port(), free_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management_port}"),
            "certificate": own.certificate,
            "privateKey": own.key,
            "httpPort": http_port,
            "tlsPort": free_port(),
            "certificateValidityPeriod": validity_s,
        }});
        let config_path = folder.join("pebble.json");
        std::fs::write(&config_path, config.to_string()).expect("a file");
        let pebble = Self {
            processes: vec![names(dns_port), authority(&folder, &config_path, dns_port)],
            folder,
            port,
            management_port,
        };
        wait::until("pebble listens", wait::PATIENCE, || {
            http::connect(port).is_ok() && http::connect(management_port).is_ok()
        });
        pebble
    }

    /// `[tls.acme]` for it, with the keys that differ from test to test.
    pub fn section(&self, more: &str) -> String {
        format!(
            "\n[tls.acme]\nenabled = true\naccept-terms = true\ncontact = [\"admin@example.com\"]\n\
             directory-url = \"https://localhost:{}/dir\"\nca-file = {:?}\n{more}\n",
            self.port,
            self.folder.join("self-signed.crt").display().to_string(),
        )
    }

    /// What a client that trusts this authority alone needs.
    ///
    /// # Panics
    /// When the root cannot be had.
    pub fn trust(&self) -> Arc<ClientConfig> {
        let root = http::get_tls(self.management_port, "/roots/0").expect("the root");
        let path = self.folder.join("root.pem");
        std::fs::write(&path, root.body).expect("a file");
        client_config(&Roots::File(path), Verification::Required).expect("a root")
    }

    /// Ends it: from now on nobody can be reached.
    pub fn stop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        self.processes.clear();
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn authority(folder: &Path, config: &Path, dns_port: u16) -> Child {
    let log = std::fs::File::create(folder.join("pebble.log")).expect("a log");
    let mut command = Command::new("pebble");
    command
        .arg("-config")
        .arg(config)
        .args(["-dnsserver", &format!("127.0.0.1:{dns_port}")])
        .env("PEBBLE_VA_NOSLEEP", "1")
        // Nonces that are refused by chance are the library's to try, and would make tests fail by chance.
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log);
    spawn(&mut command)
}

/// Resolves every name to 127.0.0.1.
fn names(dns_port: u16) -> Child {
    let mut command = Command::new("pebble-challtestsrv");
    command
        .args(["-dns01", &format!("127.0.0.1:{dns_port}")])
        .args(["-management", &format!("127.0.0.1:{}", free_port())])
        .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
        .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    spawn(&mut command)
}

fn spawn(command: &mut Command) -> Child {
    match command.stdin(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) => panic!(
            "{:?} cannot be started: {error}\nhint: install Debian's package `pebble`",
            command.get_program()
        ),
    }
}
