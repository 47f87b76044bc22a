-- Nodes of a server know by claim_at when a message is due; see 0024 of a server. A file has no nodes.
SELECT 1;
