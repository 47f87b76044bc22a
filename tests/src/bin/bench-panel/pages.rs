//! Opens every page of the panel over HTTP, each many times with other values, as three people do: an operator, a list
//! manager of some lists, and one of all.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use gatepost::clock::Timestamp;
use gatepost_tests::panel::{Browser, Paneled};
use gatepost_tests::relay::{Relay, Setup, free_port};
use gatepost_tests::{cpu, wait};

use super::made::{LARGE_LIST, LISTS, MANY_USERS, Made, Message, WORDS, drawn};
use super::report::{Report, Request};
use super::url;

/// How often each page is opened.
const TIMES: usize = 100;
/// Opened before it is measured: statements are prepared and caches warm, as they are for all but the first visitor.
const WARM_UP: usize = 3;
/// How long the relay may take to read its queue.
const READ_LIMIT: Duration = Duration::from_secs(120);
/// Everything is kept, so that the relay deletes nothing while it is measured.
const KEEP: &str = "keep-finished-days = 4000\nkeep-alerts-days = 4000\n\
     keep-hourly-statistics-days = 4000\nkeep-daily-statistics-days = 4000\n";
const KEEP_DECISIONS: &str = "\n[policy.decisions]\nkeep-days = 4000\nmax-rows = 10000000\n";

/// Pages by name, each with the path that it has in round `n`.
type Pages<'a> = Vec<(String, Box<dyn Fn(usize) -> String + 'a>)>;

/// How a listing is asked, in words and as what stands behind the `?` in round `n`.
type Query = (&'static str, fn(&Made, usize) -> String);

/// Starts the relay on the store of a folder and opens all pages whose name contains `only`.
pub fn open_all(
    folder: &Path,
    made: &Made,
    only: Option<&str>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let panel = start(folder);
    println!("{TIMES} times each page; the processor time is the relay's:");
    let name = |role: &str| format!("bench {role} {}", Timestamp::now().as_millis());
    let manage = |last: usize| {
        let lists = (1..=last).flat_map(|list| ["--list".to_owned(), format!("Shop {list}")]);
        let role = ["--role".to_owned(), "list-manager".to_owned()];
        role.into_iter().chain(lists).collect::<Vec<_>>()
    };
    let people = [
        ("operator", Vec::new(), operators_pages(made)),
        ("manager of 20 lists", manage(20), managers_pages(made)),
        ("manager of all lists", manage(LISTS), managers_pages(made)),
    ];
    for (role, options, pages) in people {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let mut browser = panel.signed_in(&name(role), &options);
        for (what, path) in pages {
            let what = format!("{role}: {what}");
            if only.is_none_or(|only| what.contains(only)) {
                open(&panel, &mut browser, &what, path.as_ref(), report)?;
            }
        }
    }
    Ok(())
}

fn start(folder: &Path) -> Paneled {
    let port = free_port();
    let table = format!("{KEEP_DECISIONS}\n[panel]\naddress = \"127.0.0.1:{port}\"\n");
    let mut relay = Relay::prepare(&Setup::maildir());
    let text = Setup::maildir().with(&table).to_toml(relay.port());
    let store = format!("url = \"{}\"\n{KEEP}", url(folder));
    relay.configure(&text.replace("url = \"sqlite://gatepost.db\"\n", &store));
    relay.restart();
    wait::until("the queue is read", READ_LIMIT, || {
        relay.log().contains("the queue is read")
    });
    Paneled { relay, port }
}

/// Opens one page many times.
fn open(
    panel: &Paneled,
    browser: &mut Browser,
    what: &str,
    path: &dyn Fn(usize) -> String,
    report: &mut Report,
) -> anyhow::Result<()> {
    let relay = panel.relay.pid();
    let mut requests = Vec::new();
    for round in 0..WARM_UP + TIMES {
        let path = path(round);
        let (began, cpu) = (Instant::now(), cpu::of_threads(relay));
        let answer = browser.get(&path);
        let took = began.elapsed();
        ensure!(
            answer.status == 200,
            "{what}: {path} answers {}",
            answer.status
        );
        requests.push(Request {
            took,
            cpu: cpu::of_threads(relay).saturating_sub(cpu),
            octets: answer.body.len(),
        });
    }
    report.page(what, &requests[WARM_UP..]);
    Ok(())
}

/// What operators alone may open, and what they share with list managers.
fn operators_pages(made: &Made) -> Pages<'_> {
    let mut pages: Pages<'_> = vec![
        same("add a list", "/lists/new"),
        same("policies", "/policies"),
        same("operators", "/operators"),
        same("an operator, new", "/operators/new"),
        page("a list manager", |n| format!("/operators/{}", 3 + n % 100)),
        same("a list manager of all lists", "/operators/2"),
        same("reset a list manager", "/operators/2/reset"),
        same("delete a list manager", "/operators/2/delete"),
        page("delete a list", |n| {
            format!("/lists/{}/delete", other_list(n))
        }),
        same("the relay's alert settings", "/alerts/settings"),
        same("the relay's webhook", "/alerts/webhook"),
    ];
    pages.extend(queues("the queue", |_| "/queue".to_owned(), made));
    pages.extend(searches("messages", |_| "/messages".to_owned(), made));
    pages.extend(periods("statistics", |_| "/statistics".to_owned(), &[]));
    pages.extend(alerts("the relay's alerts", |_| "/alerts".to_owned(), made));
    pages.extend(shared(made));
    pages.extend(of_lists("a list's", other_list, made));
    pages
}

/// Lists 1 to 20 are theirs at least.
fn managers_pages(made: &Made) -> Pages<'_> {
    let mut pages = shared(made);
    pages.extend(of_lists("a list's", |n| 2 + n as i64 % 19, made));
    pages
}

fn shared(made: &Made) -> Pages<'_> {
    let mut pages: Pages<'_> = vec![
        same("lists", "/lists"),
        same("the last page of lists", "/lists?page=20"),
        page("lists by name", |n| format!("/lists?q=shop%20{}", n % 10)),
        same("the own account", "/account"),
        same("one-time codes", "/account/codes"),
        same("tokens", "/account/tokens"),
        page("a message", |n| {
            format!("/messages/{}", accepted(made, n).id)
        }),
        page("a message to 1,000 recipients", move |_| {
            format!("/messages/{}", made.crowded())
        }),
    ];
    pages.extend(of_lists("the large list's", |_| LARGE_LIST, made));
    pages.extend(users());
    pages
}

/// Pages that each list has.
fn of_lists<'a>(whose: &str, list: fn(usize) -> i64, made: &'a Made) -> Pages<'a> {
    let base = move |n| format!("/lists/{}", list(n));
    let below = move |rest: &'static str| move |n: usize| format!("{}{rest}", base(n));
    let mut pages: Pages<'a> = vec![
        page(&format!("{whose} home"), base),
        page(&format!("{whose} settings"), below("/edit")),
        page(&format!("{whose} SMTP+ settings"), below("/smtp")),
        page(&format!("{whose} new user"), below("/users/new")),
        page(&format!("{whose} new message"), below("/write")),
        page(
            &format!("{whose} alert settings"),
            below("/alerts/settings"),
        ),
        page(&format!("{whose} webhook"), below("/alerts/webhook")),
    ];
    let named = ["user", "sender", "subject"];
    pages.extend(queues(&format!("{whose} queue"), below("/queue"), made));
    pages.extend(searches(
        &format!("{whose} messages"),
        below("/messages"),
        made,
    ));
    pages.extend(periods(
        &format!("{whose} statistics"),
        below("/statistics"),
        &named,
    ));
    pages.extend(alerts(&format!("{whose} alerts"), below("/alerts"), made));
    pages
}

/// The users of the large list.
fn users() -> Pages<'static> {
    let settings = format!("/lists/{LARGE_LIST}/smtp");
    let user = |n: usize| {
        format!(
            "/lists/{LARGE_LIST}/users/s{LARGE_LIST}_{}",
            n % MANY_USERS + 1
        )
    };
    let pages = MANY_USERS.div_ceil(50);
    let at = move |rest: &str| format!("{settings}{rest}");
    let (last, by_name, by_note, nobody, mail) =
        (at.clone(), at.clone(), at.clone(), at.clone(), at.clone());
    vec![
        page("users, any page", move |n| {
            at(&format!("?page={}", n % pages + 1))
        }),
        page("users, the last page", move |_| {
            last(&format!("?page={pages}"))
        }),
        page("users by name", move |n| {
            by_name(&format!("?q=s1_{}", n % MANY_USERS))
        }),
        page("users by note", move |_| by_note("?q=till")),
        page("users whom nobody finds", move |_| nobody("?q=nobody")),
        page("Thunderbird's document", move |n| {
            mail(&format!("/thunderbird.xml?user=s1_{}", n + 1))
        }),
        page("a user", user),
        page("reset a user's password", move |n| {
            format!("{}/reset-password", user(n))
        }),
        page("delete a user", move |n| format!("{}/delete", user(n))),
        page("who may send", move |n| {
            format!("{}/try?from=info@brand{}.shop1.example.com", user(n), n % 9)
        }),
    ]
}

/// A queue, with each of its filters.
fn queues<'a>(what: &str, base: impl Fn(usize) -> String + Copy + 'a, made: &'a Made) -> Pages<'a> {
    let asked: [Query; 11] = [
        ("", |_, _| String::new()),
        ("from any place on", |made, n| {
            format!("before={}", made.any(n).id)
        }),
        ("by user", |made, n| format!("user={}", large(made, n).user)),
        ("by sender", |made, n| {
            format!("sender={}", large(made, n).sender)
        }),
        ("by domain", |_, n| {
            format!("domain=mail{}.example.net", n * 40)
        }),
        ("by priority", |_, n| format!("priority={}", n % 5 + 1)),
        ("of what waits", |_, _| "status=queued".to_owned()),
        ("of what was tried", |_, _| "status=deferred".to_owned()),
        ("of what is held", |_, _| "status=held".to_owned()),
        ("of what is scheduled", |_, _| "status=scheduled".to_owned()),
        ("of what is old", |_, _| "age=6h&priority=5".to_owned()),
    ];
    with_queries(what, base, made, &asked)
}

/// A search of messages, by everything that can be searched by.
fn searches<'a>(
    what: &str,
    base: impl Fn(usize) -> String + Copy + 'a,
    made: &'a Made,
) -> Pages<'a> {
    let asked: [Query; 13] = [
        ("", |_, _| String::new()),
        ("from any place on", |made, n| {
            format!("before={}", made.any(n).id)
        }),
        ("by recipient", |made, n| {
            format!("recipient={}", large(made, n).recipient)
        }),
        ("by a recipient's domain", |_, n| {
            format!("recipient=@mail{}.example.net", n * 40)
        }),
        ("by sender", |made, n| {
            format!("sender={}", large(made, n).sender)
        }),
        ("by two words", |_, n| {
            let word = |place| WORDS[drawn(n * 2 + place, WORDS.len())];
            format!("subject={}%20{}", encoded(word(0)), encoded(word(1)))
        }),
        ("by user", |made, n| format!("user={}", large(made, n).user)),
        ("by id", |made, n| format!("id={}", large(made, n).id)),
        ("by Message-ID", |made, n| {
            let id = large(made, n).message_id;
            format!("id={}", id.trim_matches(['<', '>']))
        }),
        ("that failed, with a word", |_, n| {
            format!("status=failed&subject={}", encoded(WORDS[n % WORDS.len()]))
        }),
        ("that were deferred", |_, _| "status=deferred".to_owned()),
        ("that were blocked", |_, _| "status=blocked".to_owned()),
        ("of days by status", |_, n| {
            let status = ["held", "scheduled", "queued", "partial", "expired"][n % 5];
            format!("status={status}&from=2020-01-01&to=2040-01-01")
        }),
    ];
    with_queries(what, base, made, &asked)
}

/// Statistics of each period, and as files.
fn periods<'a>(
    what: &str,
    base: impl Fn(usize) -> String + Copy + 'a,
    tables: &[&'static str],
) -> Pages<'a> {
    let mut pages: Pages<'a> = Vec::new();
    for by in ["hour", "day", "week", "month"] {
        pages.push(page(&format!("{what} by {by}"), move |n| {
            format!("{}?by={by}", base(n))
        }));
        for table in ["time", "priority"]
            .into_iter()
            .chain(tables.iter().copied())
        {
            pages.push(page(
                &format!("{what} by {by}, a file by {table}"),
                move |n| format!("{}.csv?by={by}&table={table}", base(n)),
            ));
        }
    }
    pages
}

/// The Alert Center, with its filter.
fn alerts<'a>(what: &str, base: impl Fn(usize) -> String + Copy + 'a, made: &'a Made) -> Pages<'a> {
    let asked: [Query; 4] = [
        ("", |_, _| String::new()),
        ("of any group", |_, n| {
            let groups = ["unauthorized-sender", "policy-failure", "bounce", "policy"];
            format!("group={}", groups[n % groups.len()])
        }),
        ("of a group that there is not", |_, _| {
            "group=queue-stalled".to_owned()
        }),
        ("from any place on", |made, n| {
            format!("before={}-1", made.any(n).at.as_millis())
        }),
    ];
    with_queries(what, base, made, &asked)
}

fn with_queries<'a>(
    what: &str,
    base: impl Fn(usize) -> String + Copy + 'a,
    made: &'a Made,
    asked: &[Query],
) -> Pages<'a> {
    let pages = asked.iter().map(|(how, query)| {
        let query = *query;
        page(format!("{what} {how}").trim(), move |n| {
            format!("{}?{}", base(n), query(made, n))
        })
    });
    pages.collect()
}

fn page<'a>(
    what: &str,
    path: impl Fn(usize) -> String + 'a,
) -> (String, Box<dyn Fn(usize) -> String + 'a>) {
    (what.to_owned(), Box::new(path))
}

/// A page whose path is always the same.
fn same(what: &str, path: &'static str) -> (String, Box<dyn Fn(usize) -> String>) {
    page(what, move |_| path.to_owned())
}

/// A list that is not the large one.
fn other_list(n: usize) -> i64 {
    drawn(n, LISTS - 1) as i64 + 2
}

/// A message of the large list.
fn large(made: &Made, n: usize) -> Message {
    of_large_list(made, n, |_| true)
}

/// One that is or was in its queue.
fn accepted(made: &Made, n: usize) -> Message {
    of_large_list(made, n, super::messages::is_accepted)
}

fn of_large_list(made: &Made, n: usize, fits: fn(usize) -> bool) -> Message {
    let numbers = (0..).map(|step| drawn(n * 1000 + step, made.count));
    let fitting = numbers.filter(|number| fits(*number));
    let mut messages = fitting.map(|number| made.message(number));
    let found = messages.find(|message| message.list == LARGE_LIST);
    found.unwrap_or_else(|| made.message(0))
}

fn encoded(word: &str) -> String {
    word.bytes().map(|octet| format!("%{octet:02X}")).collect()
}
