-- The beginning of a message's content lies in a log beside the database until it lingers.

-- The segment of the log; NULL: it is a row of `content`.
ALTER TABLE message ADD COLUMN segment INTEGER;
-- Octets before it in the segment.
ALTER TABLE message ADD COLUMN segment_offset INTEGER;
ALTER TABLE message ADD COLUMN head_octets INTEGER;

DROP INDEX message_open;

-- Tells as well which segments are needed, and for how much, without a look at the messages.
CREATE INDEX message_open ON message (id, segment, head_octets) WHERE open = 1;
