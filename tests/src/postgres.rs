//! A PostgreSQL of the tests' own: a cluster in a temporary folder, with a database for each test.
//!
//! It ends with the process that started it, however that ends: a shell holds it and waits for the end of a pipe.
//! Only the standard library is used, for the host's own tests share this file.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is run by the user that owns the cluster: `$1` are PostgreSQL's programs, `$2` the port, `$3` the password, `$4`
/// whom it copies, if anybody, and the rest are settings.
const SCRIPT: &str = r#"
trap '' INT TERM
bin=$1 port=$2 password=$3 primary=$4
shift 4
folder=$(mktemp -d "${TMPDIR:-/tmp}/gatepost-postgres-XXXXXX") || exit 1
printf %s "$password" >"$folder/password"
make() {
    if [ -n "$primary" ]; then
        "$bin/pg_basebackup" -d "$primary" -D "$folder/data" -R -X stream --checkpoint=fast --no-sync
    else
        "$bin/initdb" -D "$folder/data" -U gatepost -A trust --auth-host=scram-sha-256 \
            --pwfile="$folder/password" -E UTF8 --no-locale --no-sync
    fi
}
make >"$folder/log" 2>&1 &&
{
    echo "listen_addresses = '127.0.0.1'"
    echo "port = $port"
    echo "unix_socket_directories = '$folder'"
    echo "max_connections = 400"
    echo "shared_buffers = 64MB"
    echo "fsync = off"
    for setting; do echo "$setting"; done
} >>"$folder/data/postgresql.conf" &&
"$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w start >/dev/null 2>&1 && echo "$folder" || cat "$folder/log" >&2
exec >/dev/null 2>&1
cat >/dev/null
"$bin/pg_ctl" -D "$folder/data" -m immediate -w stop
rm -rf "$folder"
"#;

/// The password of the one user, over TCP. It is no secret: the cluster lives for a test.
const PASSWORD: &str = "of-a-test";
/// Attempts to find a port that nobody else takes in between.
const ATTEMPTS: u32 = 5;

/// A running cluster.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    databases: AtomicU32,
    holder: Child,
    /// Its end is the cluster's.
    pipe: Option<ChildStdin>,
}

impl Cluster {
    /// The one that all tests of this process share.
    ///
    /// # Panics
    /// It cannot be started; the message says what to do.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]).unwrap_or_else(|error| panic!("{error}")))
    }

    /// A new one, with settings as `postgresql.conf` has them.
    ///
    /// # Errors
    /// It cannot be started, and what to do about it.
    pub fn start(settings: &[&str]) -> Result<Self, String> {
        Self::start_as("", settings)
    }

    /// A standby of this one, to which everything streams. It takes no writes until it is promoted, and it is a cluster
    /// of its own: it lives on when this one does not.
    ///
    /// # Errors
    /// It cannot be made or started, and what to do about it.
    pub fn standby(&self) -> Result<Self, String> {
        let folder = self.folder.display();
        let primary = format!("host={folder} port={} user=gatepost", self.port);
        Self::start_as(&primary, &[])
    }

    fn start_as(primary: &str, settings: &[&str]) -> Result<Self, String> {
        let programs = programs()?;
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt(&programs, primary, settings) {
                Ok(cluster) => return Ok(cluster),
                Err(error) => last = error,
            }
        }
        Err(format!("PostgreSQL does not start: {last}"))
    }

    fn attempt(programs: &Path, primary: &str, settings: &[&str]) -> Result<Self, String> {
        let port = free_port()?;
        let mut holder = as_owner("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(programs)
            .arg(port.to_string())
            .arg(PASSWORD)
            .arg(primary)
            .args(settings)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run sh: {error}"))?;
        let pipe = holder.stdin.take();
        let mut folder = String::new();
        if let Some(output) = holder.stdout.take() {
            let read = BufReader::new(output).read_line(&mut folder);
            read.map_err(|error| error.to_string())?;
        }
        if folder.is_empty() {
            drop(pipe);
            let output = holder
                .wait_with_output()
                .map_err(|error| error.to_string())?;
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(Self {
            folder: PathBuf::from(folder.trim_end()),
            programs: programs.to_owned(),
            port,
            databases: AtomicU32::new(0),
            holder,
            pipe,
        })
    }

    /// Makes an empty database, and returns the URL of it by the cluster's socket.
    ///
    /// # Panics
    /// The cluster does not do as it is told.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database by the cluster's socket, where no password is asked for.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display();
        format!(
            "postgres://gatepost@localhost:{}/{database}?host={folder}",
            self.port
        )
    }

    /// The URL of the same database over TCP, by another port when one is given.
    pub fn tcp_url(&self, url: &str, port: Option<u16>) -> String {
        let path = url.split('?').next().unwrap_or_default();
        let database = path.rsplit('/').next().unwrap_or_default();
        let port = port.unwrap_or(self.port);
        format!("postgres://gatepost:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// The port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The process that all others of the server are children of.
    ///
    /// # Errors
    /// It does not run.
    pub fn pid(&self) -> std::io::Result<u32> {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        let first = text.lines().next().unwrap_or_default();
        first.parse().map_err(std::io::Error::other)
    }

    /// The folder with the cluster's data and its socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Executes statements and returns their rows, one a line.
    ///
    /// # Panics
    /// The database refuses them.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", "gatepost", "-d", database])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let mut input = psql.stdin.take().expect("it is piped");
        input.write_all(statements.as_bytes()).expect("psql reads");
        drop(input);
        let output = psql.wait_with_output().expect("psql ends");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Stops the server as `pg_ctl` says: `smart`, `fast` or `immediate`.
    ///
    /// # Panics
    /// It does not stop.
    pub fn stop(&self, mode: &str) {
        self.control(&["-m", mode, "stop"]);
    }

    /// Starts the server that was stopped.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&self) {
        let log = self.folder.join("log");
        self.control(&["-l", &log.display().to_string(), "start"]);
    }

    /// Makes a standby take writes.
    ///
    /// # Panics
    /// It is none, or does not.
    pub fn promote(&self) {
        self.control(&["promote"]);
    }

    fn control(&self, arguments: &[&str]) {
        let status = as_owner(&self.programs.join("pg_ctl").display().to_string())
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-w")
            .args(arguments)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("pg_ctl runs");
        assert!(status.success(), "pg_ctl {arguments:?}: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // Whatever it ends with, it is gone.
        let _ = self.holder.wait();
    }
}

/// PostgreSQL refuses to be run by root.
fn as_owner(program: &str) -> Command {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", program]);
    command
}

/// The folder of the newest PostgreSQL of Debian's packages.
fn programs() -> Result<PathBuf, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let path = version.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            let programs = path.join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((number, programs))
        })
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, programs)| programs);
    newest.ok_or_else(|| {
        "no PostgreSQL in /usr/lib/postgresql\nhint: install Debian's package postgresql-15, as tests/run does"
            .to_owned()
    })
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok(address.port())
}
