-- Who signs in to the panel, and what their browsers and links hold: only digests of it.

CREATE TABLE operator (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    -- The name in the form in which names are compared.
    name_key TEXT NOT NULL UNIQUE,
    -- 0 operator, 1 list manager.
    role INTEGER NOT NULL CHECK (role IN (0, 1)),
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    -- NULL until the first link is used.
    password_hash TEXT,
    credential_version INTEGER NOT NULL,
    -- The key of one-time codes in base 32; NULL without.
    totp_key TEXT,
    -- The newest step of which a code was used: each may be used once.
    totp_step INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    signed_in_at INTEGER
) STRICT;

-- The lists of a list manager.
CREATE TABLE operator_list (
    operator_id INTEGER NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    list_id INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
    PRIMARY KEY (operator_id, list_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX operator_list_by_list ON operator_list (list_id);

CREATE TABLE operator_session (
    digest BLOB PRIMARY KEY,
    operator_id INTEGER NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    began_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX operator_session_by_operator ON operator_session (operator_id);

-- One-time links: the newest of each operator.
CREATE TABLE operator_link (
    operator_id INTEGER PRIMARY KEY REFERENCES operator (id) ON DELETE CASCADE,
    digest BLOB NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT;
