-- What the policies decided, and what they were asked.

-- The policies of a chain; its number is made from what it is.
CREATE TABLE policy_chain (
    id INTEGER PRIMARY KEY,
    policies TEXT NOT NULL
) STRICT;

CREATE TABLE decision (
    -- Without gaps, so that the first and the last tell how many there are.
    seq INTEGER PRIMARY KEY,
    -- The queue id of the message, accepted or not; what ran in shadow has the same.
    id INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    shadow INTEGER NOT NULL CHECK (shadow IN (0, 1)),
    -- 0 sender, 1 recipient, 2 message.
    stage INTEGER NOT NULL,
    -- 0 accepted, 1 deferred, 2 rejected.
    outcome INTEGER NOT NULL,
    chain INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    list_id INTEGER,
    username TEXT NOT NULL,
    session_id TEXT NOT NULL,
    -- NULL is the null reverse-path.
    sender TEXT,
    -- Addresses separated by spaces, as many as there is room for.
    header_from TEXT NOT NULL,
    recipients TEXT NOT NULL,
    recipient_count INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 5),
    reply_code INTEGER,
    reply_text TEXT,
    steps TEXT NOT NULL
) STRICT;

CREATE INDEX decision_by_id ON decision (id);

-- Who asks for a user's mail asks for what was refused.
CREATE INDEX decision_refused ON decision (username, id) WHERE outcome > 0;

-- The complete request of a decision, where the configuration records it.
CREATE TABLE recording (
    id INTEGER PRIMARY KEY,
    recorded_at INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    request TEXT NOT NULL
) STRICT;

-- Tells how much there is without reading it.
CREATE INDEX recording_octets ON recording (octets);
