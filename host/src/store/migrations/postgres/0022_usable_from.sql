-- The version that a release has to know to use this schema: what came later only adds.
ALTER TABLE schema_version ADD COLUMN usable_from BIGINT NOT NULL DEFAULT 0;
