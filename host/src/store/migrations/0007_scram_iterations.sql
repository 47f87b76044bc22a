-- Iterations of every SCRAM verifier of this store, which its first verifier fixes: names that are nobody's must
-- not be told by another count.
ALTER TABLE salt_key ADD COLUMN iterations INTEGER;

UPDATE salt_key SET iterations =
    (SELECT CAST(substr(scram_verifier, 15, instr(scram_verifier, ':') - 15) AS INTEGER) AS counted
     FROM account WHERE scram_verifier LIKE 'SCRAM-SHA-256$%:%' GROUP BY counted ORDER BY COUNT(*) DESC LIMIT 1);
