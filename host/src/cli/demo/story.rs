//! Four messages, and what became of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::client::Client;
use super::{AUTHORIZED_DOMAIN, Stage};
use crate::accounts::Unauthorized;
use crate::app::StartError;
use crate::cli::Failure;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::MessageDetails;

/// Messages that wait when the urgent one comes.
const BACKLOG: usize = 20;
/// Longer than the deliveries take on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was told, and whether it was true.
pub struct Story {
    /// Where the relay listens.
    pub address: SocketAddr,
    surprises: u32,
}

impl Story {
    /// Tells the story on stdout while it happens.
    pub async fn tell(stage: &Stage) -> Result<Self, Failure> {
        let address = *stage
            .app
            .addresses
            .first()
            .context("the demo has one listener")?;
        let mut story = Self {
            address,
            surprises: 0,
        };
        let certificate =
            crate::tls::self_signed(&stage.config.data_folder(), &stage.config.hostname);
        let certificate = certificate.map_err(StartError::from)?.certificate;
        let mut client =
            Client::log_in(address, &certificate, &stage.username, &stage.password).await?;
        println!(
            "Gatepost listens on {address} (STARTTLS, self-signed certificate, SQLite, delivery into maildirs).\n\
             User {} of list demo may send as anyone at {AUTHORIZED_DOMAIN}, and nobody else.",
            stage.username
        );
        story.authorized(stage, &mut client).await?;
        story.alerted(stage, &mut client).await?;
        story.blocked(stage, &mut client).await?;
        story.overtaken(stage, &mut client).await?;
        Ok(story)
    }

    /// True when everything went as told.
    pub const fn went_as_told(&self) -> bool {
        self.surprises == 0
    }

    async fn authorized(&mut self, stage: &Stage, client: &mut Client) -> anyhow::Result<()> {
        let sender = format!("anna@{AUTHORIZED_DOMAIN}");
        self.scene(1, &format!("From {sender}: the domain is authorized"));
        let reply = client
            .submit(
                &sender,
                "bob@example.org",
                &content(&sender, "Invoice 7", ""),
            )
            .await?;
        self.said(&reply);
        let message = self.delivered(stage, &reply).await?;
        self.check(
            reply.starts_with("250"),
            &format!(
                "accepted by rule {}, and delivered",
                message.summary.meta.rule
            ),
        );
        Ok(())
    }

    async fn alerted(&mut self, stage: &Stage, client: &mut Client) -> anyhow::Result<()> {
        self.scene(2, "From ceo@example.net, while the list only alerts (`list edit demo --unauthorized alert`)");
        let reply = self.impersonate(stage, client, Unauthorized::Alert).await?;
        self.check(
            reply.starts_with("250"),
            "not authorized, sent all the same",
        );
        self.check_alert(stage, 1).await
    }

    async fn blocked(&mut self, stage: &Stage, client: &mut Client) -> anyhow::Result<()> {
        self.scene(
            3,
            "The same, while the list blocks (`list edit demo --unauthorized block`)",
        );
        let reply = self.impersonate(stage, client, Unauthorized::Block).await?;
        self.check(
            reply.starts_with("550 5.7.1"),
            "refused: the sender's mail client shows this line",
        );
        self.check_alert(stage, 2).await
    }

    /// Submits as somebody else while the list does `unauthorized` about that.
    async fn impersonate(
        &self,
        stage: &Stage,
        client: &mut Client,
        unauthorized: Unauthorized,
    ) -> anyhow::Result<String> {
        let store = &stage.app.store;
        let list = store.list_by_name("demo").await?;
        let mut list = list.context("the demo's list exists")?;
        list.unauthorized = Some(unauthorized);
        store.update_list(&list).await?;
        let content = content("ceo@example.net", "Hi", "");
        let reply = client
            .submit("ceo@example.net", "bob@example.org", &content)
            .await?;
        self.said(&reply);
        Ok(reply)
    }

    async fn overtaken(&mut self, stage: &Stage, client: &mut Client) -> anyhow::Result<()> {
        self.scene(
            4,
            &format!(
                "Deliveries rest while {BACKLOG} newsletters queue up; then an urgent message comes"
            ),
        );
        let sender = format!("news@{AUTHORIZED_DOMAIN}");
        stage.app.scheduler.pause();
        let mut backlog = Vec::new();
        for number in 1..=BACKLOG {
            let content = content(&sender, &format!("Newsletter {number}"), "");
            backlog.push(
                client
                    .submit(&sender, &format!("reader{number}@example.org"), &content)
                    .await?,
            );
        }
        let urgent = content(&sender, "The server room is on fire", "X-Priority: 1\r\n");
        let reply = client
            .submit(&sender, "oncall@example.org", &urgent)
            .await?;
        self.said(&reply);
        stage.app.scheduler.resume();
        let urgent = self.delivered(stage, &reply).await?;
        let mut earlier = 0;
        for reply in &backlog {
            let newsletter = self.delivered(stage, reply).await?;
            earlier += u32::from(left_at(&newsletter)? < left_at(&urgent)?);
        }
        let priority = urgent.summary.meta.priority;
        self.check(
            earlier == 0,
            &format!(
                "priority {priority}, accepted last of {}, delivered before {} of {BACKLOG}",
                BACKLOG + 1,
                BACKLOG as u32 - earlier
            ),
        );
        Ok(())
    }

    fn scene(&self, number: u32, title: &str) {
        println!("\n{number}. {title}");
    }

    fn said(&self, reply: &str) {
        println!("   S: {reply}");
    }

    fn check(&mut self, as_told: bool, text: &str) {
        self.surprises += u32::from(!as_told);
        println!(
            "   {} {text}",
            if as_told { "->" } else { "!! not as told:" }
        );
    }

    /// Waits until the message of a `250 … queued as <id>` is delivered.
    async fn delivered(&self, stage: &Stage, reply: &str) -> anyhow::Result<MessageDetails> {
        let id: QueueId = reply
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .parse()
            .context(reply.to_owned())?;
        let until = Instant::now() + PATIENCE;
        loop {
            let message = stage
                .app
                .store
                .message(id)
                .await?
                .ok_or_else(|| anyhow!("message {id} is not stored"))?;
            if message
                .recipients
                .iter()
                .all(|recipient| !recipient.status.is_open())
            {
                return Ok(message);
            }
            if Instant::now() > until {
                return Err(anyhow!(
                    "message {id} was not delivered within {} s",
                    PATIENCE.as_secs()
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn check_alert(&mut self, stage: &Stage, expected: i64) -> anyhow::Result<()> {
        let alerts = stage.app.store.alerts(None, 10).await?;
        let raised: Vec<_> = alerts
            .iter()
            .filter(|alert| alert.kind == "sender-not-authorized")
            .collect();
        let count: i64 = raised.iter().map(|alert| alert.count).sum();
        let latest = raised.first().map_or("none", |alert| &alert.summary);
        self.check(count == expected, &format!("alert: {latest}"));
        Ok(())
    }
}

fn left_at(message: &MessageDetails) -> anyhow::Result<Timestamp> {
    message
        .attempts
        .first()
        .map(|attempt| attempt.at)
        .context("a delivered message has an attempt")
}

fn content(sender: &str, subject: &str, more: &str) -> String {
    format!(
        "From: <{sender}>\r\nTo: <bob@example.org>\r\nSubject: {subject}\r\n{more}\r\nHello from the demo."
    )
}
