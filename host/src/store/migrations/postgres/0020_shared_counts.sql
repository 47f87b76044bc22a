-- What policies counted lately; see 0020 of a file.

ALTER TABLE policy_count ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;

CREATE INDEX policy_count_changed ON policy_count (changed_at);
