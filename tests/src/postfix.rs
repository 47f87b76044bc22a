//! Debian's Postfix as an authenticated relay on loopback, for comparison: an instance of its own in a
//! folder of its own, beside whatever Postfix the machine has.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::authority::Issued;
use crate::client::Client;
use crate::relay::{User, free_port, new_folder};
use crate::wait;

const MASTER: &str = "/usr/lib/postfix/sbin/master";

/// Tuned as for a busy relay: enough processes and destination concurrency, no DNS, no client limits.
/// Nothing listens to its log, which makes it faster, not slower.
const MAIN_CF: &str = "\
compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.example.com
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = gatepost-bench
smtpd_sasl_local_domain = bench
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
smtpd_tls_security_level = none
smtp_tls_security_level = none
message_size_limit = 52428800
default_process_limit = 100
initial_destination_concurrency = 100
default_destination_concurrency_limit = 100
smtp_destination_concurrency_limit = 100
qmgr_message_active_limit = 40000
qmgr_message_recipient_limit = 40000
";

/// The services of Debian's master.cf, without chroot.
const MASTER_CF: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
";

/// A running Postfix. It ends, and its folder goes, when it is dropped.
pub struct Postfix {
    folder: PathBuf,
    port: u16,
    master: Child,
}

impl Postfix {
    /// Sets up an instance that relays for one user to this port of loopback, and starts it.
    ///
    /// # Errors
    /// When Postfix or the SASL tools are not installed, or this is not root.
    pub fn start(next_hop: u16) -> Result<Self> {
        Self::start_with(next_hop, |_| Ok(String::new()))
    }

    /// `more` writes what it needs into the folder, and returns lines that come after those of all.
    fn start_with(next_hop: u16, more: impl FnOnce(&Path) -> Result<String>) -> Result<Self> {
        ensure!(
            Path::new(MASTER).exists(),
            "Postfix is not installed\nhint: tests/run installs it"
        );
        let folder = new_folder();
        let port = free_port();
        let more = more(&folder)?;
        write_config(&folder, port, next_hop, &more).context("writing the config of Postfix")?;
        make_user(&folder)?;
        run(Command::new("postfix")
            .arg("-c")
            .arg(config(&folder))
            .arg("check"))?;
        let master = Command::new(MASTER)
            .arg("-c")
            .arg(config(&folder))
            .arg("-d")
            .stdin(Stdio::null())
            // Its end signals its whole process group.
            .process_group(0)
            .spawn()
            .context("starting Postfix")?;
        let postfix = Self {
            folder,
            port,
            master,
        };
        wait::until("Postfix listens", wait::PATIENCE, || {
            Client::try_connect(port).is_ok()
        });
        Ok(postfix)
    }

    /// Sets up an instance that takes mail from loopback without a login and offers TLS with this
    /// certificate, as a mail exchanger does; it relays to this port of loopback.
    ///
    /// # Errors
    /// As [`Postfix::start`].
    pub fn exchanger(next_hop: u16, shown: &Issued) -> Result<Self> {
        Self::start_with(next_hop, |folder| {
            let (certificate, key) = shown.write(folder);
            Ok(format!(
                "mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
                 smtpd_sasl_auth_enable = no\nsmtpd_tls_security_level = may\n\
                 smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n",
                certificate.display(),
                key.display()
            ))
        })
    }

    /// The port for submission, or for mail as to an exchanger.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The process id of its master, the parent of all its other processes.
    pub fn pid(&self) -> u32 {
        self.master.id()
    }

    /// Who may log in.
    pub fn user() -> User {
        User {
            username: "bench".into(),
            password: "correct horse battery staple".into(),
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // On SIGTERM the master ends its own process group.
        let id = self.master.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.master.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn config(folder: &Path) -> PathBuf {
    folder.join("config")
}

fn write_config(folder: &Path, port: u16, next_hop: u16, more: &str) -> io::Result<()> {
    let config = config(folder);
    for name in ["config/sasl", "queue", "data"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let folder = folder.display();
    let main = format!(
        "{MAIN_CF}queue_directory = {folder}/queue\ndata_directory = {folder}/data\n\
         relayhost = [127.0.0.1]:{next_hop}\n{more}"
    );
    fs::write(config.join("main.cf"), main)?;
    let master = format!("127.0.0.1:{port} inet n - n - - smtpd\n{MASTER_CF}");
    fs::write(config.join("master.cf"), master)?;
    // Debian's Postfix looks for the SASL configuration below its own.
    let sasl = format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {folder}/config/sasl/sasldb2\n\
         mech_list: PLAIN\n"
    );
    fs::write(format!("{folder}/config/sasl/gatepost-bench.conf"), sasl)
}

/// The password lies in sasldb as it is: no hash has to be computed at login.
fn make_user(folder: &Path) -> Result<()> {
    let user = Postfix::user();
    let database = folder.join("config/sasl/sasldb2");
    let mut child = Command::new("saslpasswd2")
        .args(["-p", "-c", "-u", "bench", "-f"])
        .arg(&database)
        .arg(&user.username)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting saslpasswd2")?;
    if let Some(mut input) = child.stdin.take() {
        io::Write::write_all(&mut input, user.password.as_bytes())?;
    }
    ensure!(child.wait()?.success(), "saslpasswd2 failed");
    run(Command::new("chown")
        .arg("postfix:")
        .arg(&database)
        .arg(folder.join("data")))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
