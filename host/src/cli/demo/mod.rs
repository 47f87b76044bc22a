//! `gatepost demo`: shows on loopback, with everything built in, what Gatepost does and why.

mod client;
mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use self::story::Story;
use super::{Failure, output};
use crate::accounts::{self, Allowance};
use crate::app::App;
use crate::config::Config;
use crate::queue::Priority;
use crate::secret::Secret;
use crate::store::NewUser;

/// The port people know from examples; any free one is taken when it is in use.
const USUAL_PORT: u16 = 2525;
/// The panel's port when it is free; any other is taken when it is not.
const USUAL_PANEL_PORT: u16 = 8080;
/// The only domain that the demo's user may send as.
const AUTHORIZED_DOMAIN: &str = "example.com";

/// `gatepost demo`
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// End when the story is told: 0 when all went as told, 1 when not
    #[arg(long)]
    exit: bool,
}

/// What the story is told with.
struct Stage {
    app: App,
    config: Config,
    username: String,
    password: Secret<String>,
}

/// Runs the demo.
pub async fn run(demo: Demo, log: Option<&str>) -> Result<ExitCode, Failure> {
    output::log_to_stderr(log, "error");
    let folder = std::env::temp_dir().join(format!("gatepost-demo-{}", crate::id::session_id()));
    std::fs::create_dir(&folder).map_err(|error| {
        let what = format!("cannot make the folder {}", folder.display());
        Failure::from(anyhow::Error::new(error).context(what))
            .hint("set TMPDIR to a folder that can be written")
    })?;
    let outcome = perform(&demo, &folder).await;
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!(
            "warning: the demo's folder {} could not be removed: {error}",
            folder.display()
        );
    }
    outcome
}

async fn perform(demo: &Demo, folder: &Path) -> Result<ExitCode, Failure> {
    let stage = set(folder, demo).await?;
    let story = Story::tell(&stage).await;
    let told = match &story {
        Ok(story) => story.went_as_told(),
        Err(_) => false,
    };
    if let Ok(story) = &story
        && !demo.exit
    {
        stage.invite(story, folder);
        until_interrupted().await?;
    }
    stage.app.stop().await;
    story?;
    Ok(if told {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The port, or 0 for any when it is in use.
fn free_or_any(port: u16) -> u16 {
    if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
        port
    } else {
        0
    }
}

async fn set(folder: &Path, demo: &Demo) -> Result<Stage, Failure> {
    let mut text = configuration(free_or_any(USUAL_PORT));
    if !demo.exit {
        let port = free_or_any(USUAL_PANEL_PORT);
        text.push_str(&format!("[panel]\naddress = \"127.0.0.1:{port}\"\n"));
    }
    let config = Config::parse(&text, PathBuf::from(folder)).map_err(|error| {
        Failure::message(format!(
            "the demo's own configuration is not valid: {error:?}"
        ))
    })?;
    let app = App::start(&config).await?;
    let list = app.store.create_list("demo").await?;
    let password = accounts::password::generate();
    let iterations = config.accounts.scram_iterations;
    let basis = app.store.scram_basis(iterations).await?;
    let user = app
        .store
        .create_user(NewUser {
            list_id: list.id,
            password_hash: Secret::new(
                accounts::password::hash(&password, &config.accounts).map_err(Failure::new)?,
            ),
            scram_verifier: Some(accounts::scram::new_verifier(&password, &basis)),
            active: true,
            priority: Priority::Normal,
            note: "made by gatepost demo".to_owned(),
            authorized_domains: AUTHORIZED_DOMAIN.to_owned(),
            authorized_senders: String::new(),
            policy_settings: crate::accounts::PolicySettings::default(),
            messages_per_hour: Allowance::Default,
            messages_per_day: Allowance::Default,
            urgent_per_hour: Allowance::Default,
            urgent_per_day: Allowance::Default,
        })
        .await?;
    Ok(Stage {
        app,
        config,
        username: user.username,
        password,
    })
}

/// One delivery at a time, so that the order of deliveries is plain to see.
fn configuration(port: u16) -> String {
    format!(
        r#"
hostname = "localhost"
[store]
url = "sqlite://gatepost.db"
[[listener]]
address = "127.0.0.1"
ports = ["{port}"]
[delivery]
mode = "maildir"
maildir = "mail"
per-destination = 1
max-concurrency = 1
[scheduler]
urgent-reserve = 0
[[policy.chain]]
name = "sender-rules"
module = "builtin:sender-rules"
settings = {{ unauthorized = "block" }}
"#
    )
}

impl Stage {
    fn invite(&self, story: &Story, folder: &Path) {
        let (username, password) = (&self.username, self.password.expose());
        let address = story.address;
        let panel = self.app.panel.as_ref();
        let panel = panel.map(super::serve::panel_lines).unwrap_or_default();
        println!(
            "\nGatepost stays up. Log in as {username} with {password} and try it:\n\n\
             printf 'From: anna@{AUTHORIZED_DOMAIN}\\nTo: you@example.org\\nSubject: Hello\\n\\nHi!\\n' | \
             curl --crlf --ssl-reqd --insecure --user {username}:{password} --mail-from anna@{AUTHORIZED_DOMAIN} \
             --mail-rcpt you@example.org --upload-file - smtp://{address}\n\n\
             swaks --server {address} --tls --auth-user {username} --auth-password {password} \
             --from boss@example.net --to you@example.org\n\n\
             Mail arrives under {}\n\n{panel}\n\nCtrl-C ends the demo and removes its folder.",
            folder.join("mail").display()
        );
    }
}

async fn until_interrupted() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(Failure::new),
        _ = terminate.recv() => Ok(()),
    }
}
