-- What administrators do to queued messages and what they stop, who did it and why.

ALTER TABLE queue_order RENAME TO queue_order_before;

-- Kept as long as its message: it is a line of the message's timeline, and a note for the relay that runs.
CREATE TABLE queue_order (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER NOT NULL,
    -- 0 released, 1 deleted, 2 held, 3 made due, 4 reprioritized.
    kind INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- Who did it; empty when it is not known.
    actor TEXT NOT NULL,
    -- Why, or from what to what; it may be empty.
    detail TEXT NOT NULL
) STRICT;

INSERT INTO queue_order (id, message_id, kind, at, actor, detail)
    SELECT id, message_id, kind, at, '', '' FROM queue_order_before;

DROP TABLE queue_order_before;

CREATE INDEX queue_order_by_message ON queue_order (message_id);

-- What waits until somebody starts it again.
CREATE TABLE queue_stop (
    -- all, list:NUMBER, or to: and the name of a domain or next hop.
    scope TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is urgent among what waits: it is read first when the relay starts.
CREATE INDEX message_urgent ON message (id) WHERE open = 1 AND priority <= 2;

-- When an attempt began; NULL: not known.
ALTER TABLE attempt ADD COLUMN began_at INTEGER;

-- Where a message came from, and the priority that was asked for; NULL: not known, or none.
ALTER TABLE message ADD COLUMN client TEXT;
ALTER TABLE message ADD COLUMN requested_priority INTEGER;

-- The message that a notification tells of.
ALTER TABLE message ADD COLUMN notice_of INTEGER;

CREATE INDEX message_notice ON message (notice_of) WHERE notice_of IS NOT NULL;

-- Whether recipients of a list that do not exist are remembered.
ALTER TABLE list ADD COLUMN suppress_bounces INTEGER NOT NULL DEFAULT 0 CHECK (suppress_bounces IN (0, 1));

-- Recipients that did not exist when mail of a list was sent to them.
CREATE TABLE suppression (
    list_id INTEGER NOT NULL,
    -- The address in the form in which addresses are compared.
    address_key TEXT NOT NULL,
    address TEXT NOT NULL,
    -- The message that bounced.
    message_id INTEGER NOT NULL,
    reply TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (list_id, address_key)
) STRICT, WITHOUT ROWID;
