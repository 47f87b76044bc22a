-- What clients ask for with MAIL and RCPT, as far as it outlives the session. NULL: not asked.

-- 1: SMTPUTF8; 2: and a header field goes beyond US-ASCII.
ALTER TABLE message ADD COLUMN smtputf8 INTEGER;
-- 1: REQUIRETLS.
ALTER TABLE message ADD COLUMN require_tls INTEGER;
-- 0 FULL, 1 HDRS.
ALTER TABLE message ADD COLUMN ret INTEGER;
-- As xtext.
ALTER TABLE message ADD COLUMN envid TEXT;
ALTER TABLE message ADD COLUMN deliver_by_at INTEGER;
-- 0 N, 1 R, 2 NT, 3 RT; together with deliver_by_at.
ALTER TABLE message ADD COLUMN deliver_by_mode INTEGER;
-- -9 to 9.
ALTER TABLE message ADD COLUMN mt_priority INTEGER;
ALTER TABLE message ADD COLUMN held_until INTEGER;

-- The sum of 1 SUCCESS, 2 FAILURE, 4 DELAY; 0 NEVER.
ALTER TABLE recipient ADD COLUMN notify INTEGER;
-- Address type and xtext.
ALTER TABLE recipient ADD COLUMN orcpt TEXT;
-- When the sender was last told that this recipient is late.
ALTER TABLE recipient ADD COLUMN delay_told_at INTEGER;
