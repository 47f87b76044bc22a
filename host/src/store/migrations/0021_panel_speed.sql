-- What pages show of much, without reading all of it.

-- The alerts of one list by age, told apart by kind without a look at them.
CREATE INDEX alert_by_list ON alert (list_id, last_at, id, kind);

-- Whose an open message is, is told without a look at it.
DROP INDEX message_open;

CREATE INDEX message_open ON message (id, segment, head_octets, list_id) WHERE open = 1;

-- What happened within a month to mail of one user, sender or subject of a list: the same as statistic_key, so that a
-- year is not summed up day by day.
CREATE TABLE statistic_month (
    month INTEGER NOT NULL,
    list_id INTEGER NOT NULL,
    -- 0 user, 1 sender, 2 subject.
    dimension INTEGER NOT NULL,
    -- Empty: all beyond those that are told apart.
    name TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    deferred INTEGER NOT NULL,
    bounced INTEGER NOT NULL,
    PRIMARY KEY (month, list_id, dimension, name)
) STRICT, WITHOUT ROWID;

INSERT INTO statistic_month
    SELECT CAST(strftime('%s', day / 1000, 'unixepoch', 'start of month') AS INTEGER) * 1000 AS month,
        list_id, dimension, name, SUM(accepted), SUM(recipients), SUM(octets), SUM(blocked), SUM(delivered),
        SUM(deferred), SUM(bounced)
    FROM statistic_key GROUP BY 1, 2, 3, 4;
