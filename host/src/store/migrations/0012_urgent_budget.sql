-- How many messages of priority 1 a user may send, and how many it has sent.

-- NULL: what the configuration says; 0: unlimited.
ALTER TABLE account ADD COLUMN urgent_per_hour INTEGER;
ALTER TABLE account ADD COLUMN urgent_per_day INTEGER;
-- Of `messages`, those of priority 1.
ALTER TABLE sent_count ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
