-- What lists have sent, summed up in the background.

-- How far the sums have come. What is counted by it and what is not is one transaction with the sums.
CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- Decisions up to this number are counted.
    decision_seq INTEGER NOT NULL,
    -- Attempts up to this number of open_attempt are counted.
    attempt_seq INTEGER NOT NULL,
    -- Messages that were finished by then are counted.
    finished_until INTEGER NOT NULL,
    -- What is finished from now on is finished after this, whatever the clock says.
    finished_sealed INTEGER NOT NULL
) STRICT;

INSERT INTO ledger (id, decision_seq, attempt_seq, finished_until, finished_sealed) VALUES (1, 0, 0, 0, 0);

-- Attempts that did not finish their message, in the order they were recorded. What finishes a message at its first
-- attempt, as most do, is found by the message's end and has no row here.
CREATE TABLE open_attempt (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    -- The recipient's status after it.
    status INTEGER NOT NULL,
    UNIQUE (message_id, recipient, ended_at)
) STRICT;

-- What happened within an hour or a day. The time comes first: what is written at one time lies together.
CREATE TABLE statistic (
    -- 0 hour, 1 day.
    span INTEGER NOT NULL,
    start INTEGER NOT NULL,
    -- 0: all lists.
    list_id INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 5),
    accepted INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    deferred INTEGER NOT NULL,
    bounced INTEGER NOT NULL,
    -- Milliseconds in the queue of all that were delivered, and how many waited for up to 1, 5, 15, 60, 300, 900,
    -- 3,600, 14,400, 86,400 seconds, and longer.
    waited INTEGER NOT NULL,
    waited_0 INTEGER NOT NULL,
    waited_1 INTEGER NOT NULL,
    waited_2 INTEGER NOT NULL,
    waited_3 INTEGER NOT NULL,
    waited_4 INTEGER NOT NULL,
    waited_5 INTEGER NOT NULL,
    waited_6 INTEGER NOT NULL,
    waited_7 INTEGER NOT NULL,
    waited_8 INTEGER NOT NULL,
    waited_9 INTEGER NOT NULL,
    PRIMARY KEY (span, start, list_id, priority)
) STRICT, WITHOUT ROWID;

-- What happened within a day to mail of one user, sender or subject of a list.
CREATE TABLE statistic_key (
    day INTEGER NOT NULL,
    list_id INTEGER NOT NULL,
    -- 0 user, 1 sender, 2 subject.
    dimension INTEGER NOT NULL,
    -- Empty: all beyond those that are told apart.
    name TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    deferred INTEGER NOT NULL,
    bounced INTEGER NOT NULL,
    PRIMARY KEY (day, list_id, dimension, name)
) STRICT, WITHOUT ROWID;

-- Of a message that was refused; those of an accepted one are in its own row.
ALTER TABLE decision ADD COLUMN subject TEXT;
ALTER TABLE decision ADD COLUMN message_id TEXT;
