-- Which way mail leaves, and how well it was protected.

-- How the connection of an attempt was encrypted, for people; empty without a connection.
ALTER TABLE attempt ADD COLUMN tls TEXT NOT NULL DEFAULT '';

-- The name of a route of the configuration that a list's mail takes; NULL: it goes where all mail goes.
ALTER TABLE list ADD COLUMN route_name TEXT;

-- MTA-STS policies of domains (RFC 8461), so that a restart does not forget what was promised.
CREATE TABLE mta_sts_policy (
    domain TEXT NOT NULL PRIMARY KEY,
    -- The id that its TXT record had.
    id TEXT NOT NULL,
    -- As it was fetched.
    policy TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX mta_sts_policy_by_expiry ON mta_sts_policy (expires_at);
