//! What clients ask for is kept as it was asked, and a store of an older release is read.

use std::sync::Arc;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::{Bench, RECEIVED, contract, record};
use crate::queue::{
    Deadline, MessageParameters, NewMessage, OpenMessage, RecipientStatus::Deferred, SmtpUtf8,
};
use crate::smtp::{DeliverByMode, Mailbox, MtPriority, Notify, RcptParameters, Ret};
use crate::store::Store;

contract!(
    parameters_come_back_as_they_went_in,
    paths_beyond_ascii_are_read_back,
    a_held_message_is_due_at_its_release,
    a_notice_of_delay_is_remembered,
    a_store_of_the_first_schema_is_read,
);

const fn notify(success: bool, failure: bool, delay: bool) -> Option<Notify> {
    Some(Notify {
        success,
        failure,
        delay,
    })
}

fn deadline(mode: DeliverByMode, trace: bool) -> Option<Deadline> {
    Some(Deadline {
        at: RECEIVED,
        mode,
        trace,
    })
}

/// Sets of parameters that have every value at least once.
fn variants() -> Vec<MessageParameters> {
    let full = MessageParameters {
        smtputf8: Some(SmtpUtf8::Utf8Header),
        require_tls: true,
        ret: Some(Ret::Full),
        envid: Some("QQ+2B1".parse().expect("xtext")),
        deliver_by: deadline(DeliverByMode::Return, true),
        mt_priority: MtPriority::new(-9),
        held_until: Some(RECEIVED),
    };
    let other = MessageParameters {
        smtputf8: Some(SmtpUtf8::AsciiHeader),
        ret: Some(Ret::Headers),
        deliver_by: deadline(DeliverByMode::Notify, false),
        mt_priority: MtPriority::new(9),
        ..MessageParameters::default()
    };
    let third = MessageParameters {
        deliver_by: deadline(DeliverByMode::Return, false),
        ..MessageParameters::default()
    };
    vec![MessageParameters::default(), full, other, third]
}

async fn accept(bench: &Bench, message: NewMessage) -> OpenMessage {
    let id = message.id;
    let accepted = bench.accept(Arc::new(message), Vec::new()).await;
    accepted.expect("accepted");
    let mut open = bench.open_messages(None, 100).await.expect("readable");
    open.retain(|one| one.id == id);
    open.remove(0)
}

async fn parameters_come_back_as_they_went_in(bench: Bench) {
    for parameters in variants() {
        let mut message = bench.new_message(&["a@b.example", "c@b.example", "d@b.example"]);
        message.meta.parameters = parameters.clone();
        message.recipients[0].parameters = RcptParameters {
            notify: notify(true, false, true),
            orcpt: Some("rfc822;a+2Bx@b.example".parse().expect("xtext")),
        };
        message.recipients[1].parameters.notify = Some(Notify::NEVER);
        let open = accept(&bench, message.clone()).await;
        assert_eq!(open.meta.parameters, parameters);
        let details = bench.message(message.id).await.expect("readable");
        let details = details.expect("it is there");
        assert_eq!(details.summary.meta, message.meta);
        for (place, recipient) in message.recipients.iter().enumerate() {
            assert_eq!(open.recipients[place].parameters, recipient.parameters);
            assert_eq!(details.recipients[place].parameters, recipient.parameters);
        }
    }
}

async fn paths_beyond_ascii_are_read_back(bench: Bench) {
    let path = |text| Mailbox::parse_utf8(text).expect("a mailbox");
    let mut message = bench.new_message(&["a@b.example"]);
    message.meta.reverse_path = Some(path("jürgen@a.example"));
    message.recipients[0].mailbox = path("kundin@bücher.example");
    let open = accept(&bench, message.clone()).await;
    assert_eq!(*open.meta, message.meta);
    assert_eq!(open.recipients[0].mailbox, message.recipients[0].mailbox);
}

async fn a_held_message_is_due_at_its_release(bench: Bench) {
    let release = RECEIVED + std::time::Duration::from_secs(60);
    let mut message = bench.new_message(&["a@b.example"]);
    message.meta.parameters.held_until = Some(release);
    let expected = message.to_open();
    let open = accept(&bench, message).await;
    assert_eq!(open.recipients[0].due_at, release);
    assert_eq!(open.recipients, expected.recipients);
}

async fn a_notice_of_delay_is_remembered(bench: Bench) {
    let id = bench.accepted(&["a@b.example"]).await;
    let mut told = record(id, 0, Deferred, 1);
    told.attempts[0].delay_told_at = Some(RECEIVED);
    bench.record(told).await.expect("recorded");
    bench
        .record(record(id, 0, Deferred, 2))
        .await
        .expect("recorded");
    let open = bench.open_messages(None, 1).await.expect("readable");
    assert_eq!(open[0].recipients[0].delay_told_at, Some(RECEIVED));
}

/// As the first release wrote them.
const OLD_ROWS: &str = "CREATE TABLE schema_version (version INTEGER NOT NULL);
    INSERT INTO schema_version (version) VALUES (1);
    INSERT INTO message VALUES (7, NULL, 's1_1', 'a@a.example', 3, 1, 'old', '<1@a>', 's', 'r', \
     0, 1000, 5, 0, 1, NULL);
    INSERT INTO recipient VALUES (7, 0, 'b@b.example', 1, 2, 500);
    INSERT INTO content VALUES (7, x'4142')";

async fn a_store_of_the_first_schema_is_read(bench: Bench) {
    let path = bench.path().join("old.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut old = SqliteConnection::connect(&url).await.expect("a new file");
    for sql in [include_str!("../migrations/0001_initial.sql"), OLD_ROWS] {
        sqlx::raw_sql(sql).execute(&mut old).await.expect("written");
    }
    old.close().await.expect("closed");
    let config = crate::store::Config {
        url: format!("sqlite://{}", path.display()).into(),
        ..crate::store::Config::default()
    };
    let store = Store::open(&config)
        .await
        .expect("it is brought up to date");
    let open = store.open_messages(None, 10).await.expect("readable");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].meta.parameters, MessageParameters::default());
    let recipient = &open[0].recipients[0];
    assert_eq!(recipient.parameters, RcptParameters::default());
    assert_eq!((recipient.attempts, recipient.delay_told_at), (2, None));
    assert_eq!(store.head(open[0].id).await.expect("there"), "AB");
    store.close().await;
}
