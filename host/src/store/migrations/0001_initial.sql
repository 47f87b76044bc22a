-- The relay's whole state: who may submit, what is queued, what became of it, what to look at.

CREATE TABLE list (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    -- The name in the form in which names are compared.
    name_key TEXT NOT NULL UNIQUE,
    -- NULL: the policy's settings decide; 0 alert; 1 block.
    unauthorized INTEGER CHECK (unauthorized IN (0, 1)),
    -- NULL: the policy's settings decide; else the identities to check, separated by commas.
    sender_check TEXT,
    display_importance INTEGER NOT NULL CHECK (display_importance IN (0, 1)),
    -- The number of the newest user; it only grows, so that no user name is given twice.
    last_user INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id INTEGER NOT NULL REFERENCES list (id),
    username TEXT NOT NULL UNIQUE,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 5),
    note TEXT NOT NULL,
    authorized_domains TEXT NOT NULL,
    authorized_senders TEXT NOT NULL,
    credential_version INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX account_by_list ON account (list_id, id);

-- Grows with every change of a list or an account, whoever makes it.
CREATE TABLE accounts_generation (generation INTEGER NOT NULL) STRICT;

INSERT INTO accounts_generation (generation) VALUES (1);

CREATE TRIGGER list_added AFTER INSERT ON list BEGIN
    UPDATE accounts_generation SET generation = generation + 1;
END;

CREATE TRIGGER list_changed AFTER UPDATE ON list BEGIN
    UPDATE accounts_generation SET generation = generation + 1;
END;

CREATE TRIGGER list_deleted AFTER DELETE ON list BEGIN
    UPDATE accounts_generation SET generation = generation + 1;
END;

CREATE TRIGGER account_added AFTER INSERT ON account BEGIN
    UPDATE accounts_generation SET generation = generation + 1;
END;

CREATE TRIGGER account_changed AFTER UPDATE ON account BEGIN
    UPDATE accounts_generation SET generation = generation + 1;
END;

CREATE TRIGGER account_deleted AFTER DELETE ON account BEGIN
    UPDATE accounts_generation SET generation = generation + 1;
END;

-- Messages outlive their list and their user, so they hold no foreign keys.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    list_id INTEGER,
    username TEXT NOT NULL,
    -- NULL is the null reverse-path.
    reverse_path TEXT,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 5),
    -- 0 7BIT, 1 8BITMIME.
    body INTEGER NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    rule TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    staged_chunks INTEGER NOT NULL,
    -- 1 while a recipient is queued or deferred.
    open INTEGER NOT NULL CHECK (open IN (0, 1)),
    finished_at INTEGER
) STRICT;

CREATE INDEX message_open ON message (id) WHERE open = 1;

CREATE INDEX message_finished ON message (finished_at) WHERE open = 0;

CREATE TABLE recipient (
    message_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    mailbox TEXT NOT NULL,
    -- 0 queued, 1 deferred, 2 delivered, 3 failed, 4 expired, 5 cancelled.
    status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 5),
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;

-- The header section and the beginning of the body; deleted when the message is finished.
CREATE TABLE content (
    message_id INTEGER PRIMARY KEY,
    head BLOB NOT NULL
) STRICT;

-- The rest of a large body; rows without a message are uploads that have not ended.
CREATE TABLE content_chunk (
    message_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT;

-- The timeline of each recipient.
CREATE TABLE attempt (
    message_id INTEGER NOT NULL,
    recipient INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    next_hop TEXT NOT NULL,
    -- 0 delivered, 1 deferred, 2 failed.
    outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 2),
    reply_code INTEGER NOT NULL,
    reply_text TEXT NOT NULL,
    PRIMARY KEY (message_id, recipient, ended_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 0 when it concerns the whole relay.
    list_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- 0 info, 1 warning, 2 critical.
    severity INTEGER NOT NULL,
    username TEXT NOT NULL,
    -- What makes two alerts of one kind different.
    subject_key TEXT NOT NULL,
    summary TEXT NOT NULL,
    occurrences INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT;

CREATE INDEX alert_by_subject ON alert (list_id, kind, username, subject_key, first_at);

CREATE INDEX alert_by_age ON alert (last_at);

-- Written to find out whether the store can be written again after a failure.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY,
    octets BLOB NOT NULL
) STRICT;
