//! Writing a message in the panel: it takes the way that every message takes.

use std::time::Duration;

use gatepost::clock::Timestamp;
use gatepost_tests::panel::{Browser, Paneled};
use gatepost_tests::relay::Setup;
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;
use serde_json::{Value, json};

/// A relay with a panel, a next hop, and a list whose first user may send as example.com; what is not is blocked.
struct Shop {
    sink: Sink,
    panel: Paneled,
}

/// The user of the list.
const USER: &str = "s1_1";

impl Shop {
    fn open() -> Self {
        Self::with("")
    }

    /// With these keys of `[panel]`.
    fn with(keys: &str) -> Self {
        let sink = Sink::start(Script::reading()).expect("a port");
        let panel = Paneled::with(Setup::smarthost(sink.port()), keys);
        panel.relay.add_list("shop");
        panel
            .relay
            .cli(&["list", "edit", "shop", "--unauthorized", "block"])
            .succeeded();
        panel
            .relay
            .add_user("shop", &["--authorized-domains", "example.com"]);
        Self { sink, panel }
    }

    fn queue(&self) -> Value {
        self.panel.relay.json(&["queue", "list", "--all"])
    }
}

/// A form that can be sent.
fn fields() -> Vec<(&'static str, &'static str)> {
    vec![
        ("user", USER),
        ("from", "Anna <info@example.com>"),
        ("to", "anna@one.example; Bert <bert@one.example>"),
        ("subject", "Grüße <b>"),
        ("text", "Hello\nworld <script>"),
        ("priority", "2"),
        ("send_at", ""),
    ]
}

/// The same with another value.
fn with(name: &str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let pairs = fields().into_iter();
    pairs
        .map(|(known, old)| (known, if known == name { value } else { old }))
        .collect()
}

/// Opens the page and sends it with these fields; the status of what it leads to.
fn write(browser: &mut Browser, fields: &[(&str, &str)]) -> u16 {
    browser.open("/lists/1/write");
    browser.upload("/lists/1/write", fields, &[]).status
}

#[test]
fn a_written_message_reaches_its_recipients_and_its_way_is_shown() {
    let shop = Shop::open();
    let mut browser = shop.panel.operator();
    browser.open("/lists/1/write");
    browser.shows("<option value=\"3\" selected>3 - normal");
    browser.shows("value=\"info@example.com\"");
    let files = [
        ("attachments", "prices 2026.csv", "a;b\n1;2\n"),
        ("attachments", "", ""),
    ];
    let answer = browser.upload("/lists/1/write", &fields(), &files);
    assert_eq!(answer.status, 200, "{}", answer.body);
    browser.shows("The message is in the queue.");
    browser.shows("Grüße &#60;b&#62;");
    shop.sink.wait_for(1, wait::PATIENCE);
    let delivery = &shop.sink.deliveries()[0];
    let text = delivery.text();
    assert!(text.contains("\"Anna\" <info@example.com>"), "{text}");
    assert!(text.contains("<anna@one.example>"), "{text}");
    assert!(text.contains("\"Bert\" <bert@one.example>"), "{text}");
    assert!(text.contains("X-Priority: 2"), "{text}");
    assert!(text.contains("Hello\r\nworld <script>"), "{text}");
    assert!(text.contains("prices 2026.csv"), "{text}");
    assert!(text.contains("a;b=0A1;2=0A"), "{text}");
    let queue = shop.queue();
    assert_eq!(queue[0]["user"], USER, "{queue}");
    assert_eq!(queue[0]["priority"], 2, "{queue}");
    let id = queue[0]["id"].as_str().expect("an id");
    assert_eq!(browser.path, format!("/messages/{id}"));
}

#[test]
fn a_form_that_is_sent_twice_sends_one_message() {
    let shop = Shop::open();
    let mut browser = shop.panel.operator();
    browser.open("/lists/1/write");
    let once = browser.hidden("once");
    assert_eq!(once.len(), 43);
    let form = [&fields()[..], &[("once", once.as_str())]].concat();
    let (mut first, mut second) = (browser.clone(), browser.clone());
    std::thread::scope(|scope| {
        scope.spawn(|| first.upload("/lists/1/write", &form, &[]));
        scope.spawn(|| second.upload("/lists/1/write", &form, &[]));
    });
    assert_eq!(first.path, second.path);
    assert!(first.path.starts_with("/messages/"), "{}", first.path);
    assert_eq!(shop.queue().as_array().map(Vec::len), Some(1));
    // What is changed is another message, wherever the browser had it from.
    let other = [&with("subject", "Another")[..], &[("once", once.as_str())]].concat();
    browser.upload("/lists/1/write", &other, &[]);
    assert_ne!(browser.path, first.path);
    assert_eq!(shop.queue().as_array().map(Vec::len), Some(2));
}

#[test]
fn what_the_policies_refuse_is_told_and_what_was_typed_stays() {
    let shop = Shop::open();
    let mut browser = shop.panel.operator();
    let boss = with("from", "boss@bank.example");
    assert_eq!(write(&mut browser, &boss), 422);
    browser.shows("It was refused, and nothing was sent");
    browser.shows("550 5.7.1 ");
    browser.shows("value=\"boss@bank.example\"");
    browser.shows("anna@one.example; Bert &#60;bert@one.example&#62;</textarea>");
    browser.shows("Hello\nworld &#60;script&#62;</textarea>");
    browser.shows("<option value=\"2\" selected>");
    browser.does_not_show("Choose the files once more");
    assert_eq!(shop.queue(), json!([]));
    browser.open("/lists/1/messages?status=blocked");
    browser.shows("boss@bank.example");
}

#[test]
fn what_cannot_be_sent_is_explained_beside_each_field() {
    let shop = Shop::open();
    let mut browser = shop.panel.operator();
    for (field, value, told) in [
        ("user", "s9_9", "There is no such user."),
        ("user", "", "There is no such user."),
        ("from", "", "Write an address like info@example.com."),
        ("from", "a@example.com, b@example.com", "Write one address"),
        (
            "to",
            "anna@one.example, bert",
            "<code>bert</code> is not an address",
        ),
        ("to", " ; ", "Name one recipient at least."),
        ("subject", "", "Write what it is about."),
        ("subject", "a\r\nBcc: c@example.net", "Use one line"),
        ("priority", "6", "Choose one of the five."),
        ("send_at", "2020-01-01T00:00", "This time is over"),
        ("send_at", "2999-01-01T00:00", "The latest time is"),
        ("send_at", "tomorrow", "Write a time in UTC"),
    ] {
        assert_eq!(write(&mut browser, &with(field, value)), 422, "{field}");
        browser.shows(told);
        browser.shows(&format!("id=\"{field}-problem\""));
        browser.shows("It was not sent");
    }
    let relay = &shop.panel.relay;
    relay
        .cli(&["user", "edit", USER, "--active", "false"])
        .succeeded();
    assert_eq!(write(&mut browser, &fields()), 422);
    browser.shows("User s1_1 is not active");
    browser.open("/lists/1/write");
    browser.shows("Nobody can send yet");
    assert_eq!(shop.sink.count(), 0);
}

#[test]
fn a_message_for_later_waits_in_the_queue() {
    let shop = Shop::open();
    let mut browser = shop.panel.operator();
    let at = (Timestamp::now() + Duration::from_secs(7200)).to_whole_seconds();
    let mut later = fields();
    later.retain(|(name, _)| *name != "send_at");
    later.push(("send_at", &at[..16]));
    assert_eq!(write(&mut browser, &later), 200);
    browser.shows("leaves at its time");
    let queue = shop.queue();
    assert_eq!(queue[0]["status"], "scheduled", "{queue}");
    assert_eq!(shop.sink.count(), 0);
}

#[test]
fn files_stay_with_a_form_that_has_to_be_mended() {
    let shop = Shop::open();
    let mut browser = shop.panel.operator();
    browser.open("/lists/1/write");
    let files = [
        ("attachments", "prices <2026>.csv", "a;b"),
        ("attachments", "terms.txt", "none"),
    ];
    let answer = browser.upload("/lists/1/write", &with("to", "bert"), &files);
    assert_eq!(answer.status, 422);
    browser.shows(
        "name=\"kept\" value=\"0\" checked><span><b>prices &#60;2026&#62;.csv</b><small>3 octets",
    );
    let once = browser.hidden("once");
    // Nobody else has them, nor another form.
    let ticked = |once: &str| {
        [&fields()[..], &[("kept", "1")]]
            .concat()
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .chain([("once", once.to_owned())])
            .collect::<Vec<_>>()
    };
    let send = |browser: &mut Browser, once: &str| {
        let form = ticked(once);
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let more = [("attachments", "more.txt", "more")];
        browser.upload("/lists/1/write", &form, &more).status
    };
    let mut stranger = shop.panel.manager("anna", &["shop"]);
    stranger.open("/lists/1/write");
    assert_eq!(send(&mut stranger, &once), 422);
    stranger.shows("The files of before are no longer here");
    stranger.shows("Choose the files once more");
    stranger.shows("<b>more.txt</b>");
    assert_eq!(shop.queue(), json!([]));
    let mut again = browser.clone();
    assert_eq!(send(&mut browser, &once), 200);
    // Nor is it sent a second time, or without them.
    assert_eq!(send(&mut again, &once), 200);
    assert_eq!(again.path, browser.path);
    shop.sink.wait_for(1, wait::PATIENCE);
    let text = shop.sink.deliveries()[0].text();
    assert!(!text.contains("prices"), "{text}");
    assert!(
        text.contains("terms.txt") && text.contains("more.txt"),
        "{text}"
    );
}

#[test]
fn files_that_are_too_large_are_refused() {
    let shop = Shop::with("max-upload-octets = 300000");
    let mut browser = shop.panel.operator();
    browser.open("/lists/1/write");
    browser.shows("data-max-octets=\"37856\"");
    let small = [("attachments", "a.txt", "x")];
    assert_eq!(
        browser.upload("/lists/1/write", &fields(), &small).status,
        200
    );
    let text = "x".repeat(300_000);
    let large = [("attachments", "a.txt", text.as_str())];
    browser.open("/lists/1/write");
    let answer = browser.upload("/lists/1/write", &fields(), &large);
    assert_eq!(answer.status, 413);
    browser.shows("This form is too large");
    // Who is not signed in has the limit of small forms, however large an upload may be.
    let shop = Shop::with("max-body-octets = 1000");
    let mut stranger = shop.panel.browser();
    stranger.open("/sign-in");
    let upload = stranger.upload("/sign-in", &[("name", "root")], &large);
    assert_eq!(upload.status, 413);
}

#[test]
fn a_list_manager_writes_in_the_name_of_own_users_alone() {
    let shop = Shop::open();
    shop.panel.relay.add_list("other");
    let other = shop.panel.relay.add_user("other", &[]);
    let mut manager = shop.panel.manager("anna", &["other"]);
    assert_eq!(manager.get("/lists/1/write").status, 404);
    manager.open("/lists/2/write");
    manager.shows(&other.username);
    manager.does_not_show(USER);
    let elsewhere = manager.upload("/lists/1/write", &fields(), &[]);
    assert_eq!(elsewhere.status, 404);
    manager.open("/lists/2/write");
    assert_eq!(manager.upload("/lists/2/write", &fields(), &[]).status, 422);
    manager.shows("There is no such user.");
    // Nor does an operator write on the page of one list in the name of another's user.
    let mut operator = shop.panel.operator();
    operator.open("/lists/2/write");
    assert_eq!(
        operator.upload("/lists/2/write", &fields(), &[]).status,
        422
    );
    manager.page.clear();
    let answer = manager.upload("/lists/2/write", &fields(), &[]);
    assert_eq!(answer.status, 403, "without the token of a form");
    assert_eq!(shop.sink.count(), 0);
    assert_eq!(shop.queue(), json!([]));
}
