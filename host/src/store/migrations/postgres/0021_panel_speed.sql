-- What pages show of much, without reading all of it.

-- The alerts of one list by age, told apart by kind without a look at them.
CREATE INDEX alert_by_list ON alert (list_id, last_at, id, kind);

-- Whose an open message is, is told without a look at it.
DROP INDEX message_open;

CREATE INDEX message_open ON message (id) INCLUDE (list_id) WHERE open = 1;

-- What happened within a month to mail of one user, sender or subject of a list: the same as statistic_key, so that a
-- year is not summed up day by day.
CREATE TABLE statistic_month (
    month BIGINT NOT NULL,
    list_id BIGINT NOT NULL,
    dimension BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    accepted BIGINT NOT NULL,
    recipients BIGINT NOT NULL,
    octets BIGINT NOT NULL,
    blocked BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    deferred BIGINT NOT NULL,
    bounced BIGINT NOT NULL,
    PRIMARY KEY (month, list_id, dimension, name)
) WITH (fillfactor = 50);

INSERT INTO statistic_month
    SELECT EXTRACT(EPOCH FROM date_trunc('month', to_timestamp(day / 1000) AT TIME ZONE 'UTC'))::bigint * 1000,
        list_id, dimension, name, SUM(accepted), SUM(recipients), SUM(octets), SUM(blocked), SUM(delivered),
        SUM(deferred), SUM(bounced)
    FROM statistic_key GROUP BY 1, 2, 3, 4;
