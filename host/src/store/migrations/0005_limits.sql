-- How many messages a user may send, how many it has sent, and why it was suspended.

-- NULL: what the configuration says; 0: unlimited.
ALTER TABLE account ADD COLUMN messages_per_hour INTEGER;
ALTER TABLE account ADD COLUMN messages_per_day INTEGER;
-- NULL unless the relay itself made the user inactive.
ALTER TABLE account ADD COLUMN suspended_at INTEGER;
ALTER TABLE account ADD COLUMN suspended_because TEXT;
-- When the most recent suspension was lifted.
ALTER TABLE account ADD COLUMN counting_since INTEGER;

-- Kept for a day, however long messages are. The slot comes first: what is written at one time lies together.
CREATE TABLE sent_count (
    -- Five minutes, numbered from the Unix epoch.
    slot INTEGER NOT NULL,
    username TEXT NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (slot, username)
) STRICT, WITHOUT ROWID;
