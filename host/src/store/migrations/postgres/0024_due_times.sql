-- From now on claim_at is when a message is due, whoever has it: what was claimed or taken in before is given its time.
UPDATE message SET claim_at = later.due_at
    FROM (SELECT message_id, MIN(due_at) AS due_at FROM recipient WHERE status <= 1 GROUP BY message_id) AS later
    WHERE message.id = later.message_id AND open = 1 AND claim_at < later.due_at
    AND later.due_at > EXTRACT(EPOCH FROM clock_timestamp()) * 1000;
