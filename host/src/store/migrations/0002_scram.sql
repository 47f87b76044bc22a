-- What SCRAM judges proofs by (RFC 5803); NULL for passwords that are older.
ALTER TABLE account ADD COLUMN scram_verifier TEXT;

-- Keys the salts of user names that are nobody's, so that they are the same on every day and node.
CREATE TABLE salt_key (octets BLOB NOT NULL) STRICT;

INSERT INTO salt_key (octets) VALUES (randomblob(32));
