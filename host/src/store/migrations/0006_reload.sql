-- Reloads that a command asks the running relay for, and what came of every reload. ended_at NULL: not answered yet.
CREATE TABLE reload (
    id INTEGER PRIMARY KEY,
    -- command, signal, file
    cause TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- The number of the policy set in force afterwards.
    generation INTEGER,
    -- Why everything stayed as it was; NULL: it was taken.
    error TEXT,
    hint TEXT,
    -- What changed for new sessions, and what needs a restart: one a line.
    changes TEXT,
    restart TEXT
) STRICT;
