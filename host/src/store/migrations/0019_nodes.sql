-- Processes that work on one store, and which of them has which message. A store that is not shared has no nodes.

CREATE TABLE node (
    -- Another one for each start.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- Digest of its policy set.
    policies TEXT NOT NULL,
    -- Where its panel is; it may be empty.
    panel TEXT NOT NULL,
    -- Times are those of the database's clock.
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    -- Recipients served a minute.
    rate INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER,
    -- left, or lost.
    ending TEXT
) STRICT;

-- The node that sends it; NULL: whoever claims it.
ALTER TABLE message ADD COLUMN claimed_by INTEGER;
-- Not to be claimed before, by the database's clock.
ALTER TABLE message ADD COLUMN claim_at INTEGER NOT NULL DEFAULT 0;
-- The destination that has no room for it or cannot be reached; NULL: it waits for nothing but its time.
ALTER TABLE message ADD COLUMN waits_for TEXT;
