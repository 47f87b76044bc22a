-- What policies counted lately, so that the nodes of a shared store hear of each other's counts.

-- By the database's clock, as near as it is known where it is written.
ALTER TABLE policy_count ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
