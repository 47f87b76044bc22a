-- Tokens by which programs use the API: only digests of them.

CREATE TABLE api_token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    operator_id INTEGER NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- 1 read, 2 write, 4 send.
    scopes INTEGER NOT NULL,
    -- 1: it reaches the lists of api_token_list alone, also when none of them is left.
    narrowed INTEGER NOT NULL CHECK (narrowed IN (0, 1)),
    created_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

CREATE INDEX api_token_by_operator ON api_token (operator_id);

CREATE TABLE api_token_list (
    token_id INTEGER NOT NULL REFERENCES api_token (id) ON DELETE CASCADE,
    list_id INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
    PRIMARY KEY (token_id, list_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_token_list_by_list ON api_token_list (list_id);

-- Requests with an Idempotency-Key: what was asked, and what was answered when it was.
CREATE TABLE api_request (
    token_id INTEGER NOT NULL REFERENCES api_token (id) ON DELETE CASCADE,
    idempotency_key TEXT NOT NULL,
    digest BLOB NOT NULL,
    begun_at INTEGER NOT NULL,
    -- NULL while it is under way, and when the relay ended before it was answered.
    status INTEGER,
    body TEXT,
    PRIMARY KEY (token_id, idempotency_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_request_by_time ON api_request (begun_at);
