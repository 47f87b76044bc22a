//! What the panel asks of the store: each search, sum and timeline, asked many times with other words.

use std::time::{Duration, Instant};

use gatepost::clock::Timestamp;
use gatepost::queue::MessageStatus;
use gatepost::statistics::{Dimension, Span};
use gatepost::store::{Period, Search, SearchStatus, Store};

use super::made::{LARGE_LIST, LISTS, Made, Message, WORDS, drawn};
use super::report::Report;

/// How often each question is asked.
const QUESTIONS: usize = 200;

/// A search by a name, as question number `n` asks it.
type Question = (&'static str, fn(usize, &Message) -> Search);

const SEARCHES: [Question; 18] = [
    ("everything", |_, _| Search::default()),
    ("a list", |_, made| in_list(made)),
    ("a user", |_, made| Search {
        user: Some(made.user.clone()),
        ..in_list(made)
    }),
    ("a recipient", |_, made| Search {
        recipient: Some(made.recipient.clone()),
        ..Search::default()
    }),
    ("a recipient of a list", |_, made| Search {
        recipient: Some(made.recipient.clone()),
        ..in_list(made)
    }),
    ("a recipient's domain", |_, made| Search {
        recipient: made
            .recipient
            .find('@')
            .map(|at| made.recipient[at..].to_owned()),
        ..Search::default()
    }),
    ("a sender", |_, made| Search {
        sender: Some(made.sender.clone()),
        ..Search::default()
    }),
    ("a sender of another list", |n, made| Search {
        sender: Some(made.sender.clone()),
        list: Some(n as i64 % LISTS as i64 + 1),
        ..Search::default()
    }),
    ("two words of the subject", |n, _| words(n)),
    ("two words, of a list", |n, made| Search {
        list: Some(made.list),
        ..words(n)
    }),
    ("a whole subject", |_, made| Search {
        subject: Some(made.subject.clone()),
        ..Search::default()
    }),
    ("a Message-ID", |_, made| Search {
        message_id: Some(made.message_id.clone()),
        ..Search::default()
    }),
    ("an id", |_, made| Search {
        id: Some(made.id),
        ..Search::default()
    }),
    ("refused", |_, _| with(SearchStatus::Refused)),
    ("refused, of a list", |_, made| Search {
        list: Some(made.list),
        ..with(SearchStatus::Refused)
    }),
    ("failed, with a word", |n, _| Search {
        status: Some(SearchStatus::Is(MessageStatus::Failed)),
        ..words(n)
    }),
    ("deferred, of a list", |_, made| Search {
        list: Some(made.list),
        ..with(SearchStatus::Is(MessageStatus::Deferred))
    }),
    ("two local-parts that never meet", |_, _| Search {
        sender: Some("info1".to_owned()),
        recipient: Some("info2".to_owned()),
        ..Search::default()
    }),
];

fn in_list(made: &Message) -> Search {
    Search {
        list: Some(made.list),
        ..Search::default()
    }
}

fn words(number: usize) -> Search {
    let word = |place| WORDS[drawn(number * 2 + place, WORDS.len())];
    Search {
        subject: Some(format!("{} {}", word(0), word(1))),
        ..Search::default()
    }
}

fn with(status: SearchStatus) -> Search {
    Search {
        status: Some(status),
        ..Search::default()
    }
}

/// Asks everything.
pub async fn ask_all(store: &Store, made: &Made, report: &mut Report) -> anyhow::Result<()> {
    for (what, question) in SEARCHES {
        let (mut took, mut found, mut cut) = (Vec::new(), 0, 0);
        for number in 0..QUESTIONS {
            let mut search = question(number, &made.any(number));
            search.limit = 50;
            let began = Instant::now();
            let page = store.search(&search).await?;
            took.push(began.elapsed());
            found += page.messages.len();
            cut += usize::from(page.is_cut);
        }
        let note = format!("{} found a page, {cut} cut", found / QUESTIONS);
        report.question(what, took, &note);
    }
    deep_pages(store, report).await?;
    statistics(store, made.end(), report).await?;
    timelines(store, made, report).await
}

/// Page after page of everything: the hundredth costs what the first does.
async fn deep_pages(store: &Store, report: &mut Report) -> anyhow::Result<()> {
    let mut search = Search {
        limit: 50,
        ..Search::default()
    };
    let mut took = Vec::new();
    for _ in 0..QUESTIONS {
        let began = Instant::now();
        let page = store.search(&search).await?;
        took.push(began.elapsed());
        search.before = page.next;
    }
    report.question("page after page", took, "");
    Ok(())
}

async fn statistics(store: &Store, end: Timestamp, report: &mut Report) -> anyhow::Result<()> {
    let days = |days: u64| Period {
        from: end - Duration::from_secs(days * 86_400),
        until: end + Duration::from_secs(86_400),
    };
    for (what, span, period) in [
        ("statistics of a day by hour", Span::Hour, days(1)),
        ("statistics of a month by hour", Span::Hour, days(30)),
        ("statistics of a year by day", Span::Day, days(365)),
    ] {
        let mut took = Vec::new();
        for number in 0..QUESTIONS {
            let list = Some(drawn(number, LISTS) as i64 + 1);
            let began = Instant::now();
            store.statistics(list, span, period).await?;
            took.push(began.elapsed());
        }
        report.question(what, took, "");
    }
    for dimension in Dimension::ALL {
        let mut took = Vec::new();
        for number in 0..QUESTIONS {
            let is_large = number % 10 == 0;
            let other = drawn(number, LISTS) as i64 + 1;
            let list = if is_large { LARGE_LIST } else { other };
            let began = Instant::now();
            store.statistics_by(list, dimension, days(365), 20).await?;
            took.push(began.elapsed());
        }
        report.question(&format!("a year by {dimension:?}"), took, "");
    }
    Ok(())
}

async fn timelines(store: &Store, made: &Made, report: &mut Report) -> anyhow::Result<()> {
    let mut took = Vec::new();
    for number in 0..QUESTIONS {
        let id = made.any(number).id;
        let began = Instant::now();
        store.message(id).await?;
        store.decisions_about(id).await?;
        took.push(began.elapsed());
    }
    report.question("a message's timeline", took, "");
    Ok(())
}
