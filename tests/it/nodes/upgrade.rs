//! Old and new releases work side by side on one schema while nodes are upgraded one by one.

use gatepost_tests::postgres::Cluster;
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

use super::{Load, MAX_TWICE, PATIENCE, alive, arrived, database, node};

/// What a newer release may do to the schema while this one works on it: it adds.
const ADDS: &str = "ALTER TABLE message ADD COLUMN of_the_future BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE recipient ADD COLUMN of_the_future TEXT;
    ALTER TABLE node ADD COLUMN of_the_future BIGINT NOT NULL DEFAULT 1;
    CREATE TABLE of_the_future (id BIGINT PRIMARY KEY);
    CREATE INDEX message_of_the_future ON message (of_the_future) WHERE open = 1;
    UPDATE schema_version SET version = version + 1";

#[test]
fn a_release_works_on_over_the_schema_of_the_next_one_until_it_says_that_it_cannot() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let sink = Sink::start(Script::default()).expect("a port");
    let mut one = node("one", &url, &sink);
    let mut other = node("other", &url, &sink);
    let user = one.add_shop_user(&[]);
    let load = Load::new(&[one.port(), other.port()], user);
    load.during(|| {
        cluster.sql(database(&url), ADDS);
        load.more(100);
        // Back to the old release, or a machine that was restarted before its turn came.
        assert!(one.terminate().success());
        load.more(50);
        one.restart();
        load.more(100);
    });
    arrived(&sink, &load.accepted(), PATIENCE);
    wait::until("both are nodes", PATIENCE, || alive(&one).len() == 2);
    assert!(one.log().contains("a newer release"), "{}", one.log());
    let twice = sink.log(|log| log.duplicates());
    assert!(twice <= MAX_TWICE, "{twice} came twice");

    let parts = "UPDATE schema_version SET usable_from = version";
    cluster.sql(database(&url), parts);
    let refused = other.cli(&["nodes"]);
    assert_ne!(refused.code, Some(0));
    let expected = ["has schema version", "hint: use the release that wrote"];
    for words in expected {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    assert!(other.terminate().success(), "what runs already ends well");
}
