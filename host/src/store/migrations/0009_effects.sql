-- What policies decide about a message's way, and what they count.

-- The name of a route of the configuration; NULL: it goes where all mail goes.
ALTER TABLE message ADD COLUMN route TEXT;
-- Why it waits until somebody releases it; NULL: it never did.
ALTER TABLE message ADD COLUMN hold TEXT;
-- When somebody did.
ALTER TABLE message ADD COLUMN released_at INTEGER;

CREATE INDEX message_held ON message (expires_at)
    WHERE open = 1 AND hold IS NOT NULL AND released_at IS NULL;

-- What an administrator has done to a message, for the relay that runs to notice.
CREATE TABLE queue_order (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER NOT NULL,
    -- 0 released, 1 deleted.
    kind INTEGER NOT NULL CHECK (kind IN (0, 1)),
    at INTEGER NOT NULL
) STRICT;

-- What policies have counted, by slot of its window.
CREATE TABLE policy_count (
    policy TEXT NOT NULL,
    key TEXT NOT NULL,
    window_s INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (policy, key, window_s, slot)
) STRICT, WITHOUT ROWID;

CREATE INDEX policy_count_by_expiry ON policy_count (expires_at);
