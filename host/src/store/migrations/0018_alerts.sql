-- Alerts name the message they are about, and remember what was told of them.

-- The most recent message; NULL when none is concerned.
ALTER TABLE alert ADD COLUMN message_id INTEGER;
ALTER TABLE alert ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE alert ADD COLUMN rule TEXT NOT NULL DEFAULT '';

-- By mail: how many of the occurrences were told, when, in how many mails, and since when there is more to tell.
ALTER TABLE alert ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN told_at INTEGER;
ALTER TABLE alert ADD COLUMN told_times INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN untold_since INTEGER NOT NULL DEFAULT 0;

-- By webhook.
ALTER TABLE alert ADD COLUMN posted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN posted_at INTEGER;
ALTER TABLE alert ADD COLUMN posted_times INTEGER NOT NULL DEFAULT 0;

CREATE INDEX alert_untold ON alert (list_id, id) WHERE told < occurrences;

CREATE INDEX alert_unposted ON alert (list_id, id) WHERE posted < occurrences;

-- Who is told of a list's alerts, and when. List 0: alerts that concern the whole relay.
CREATE TABLE alert_settings (
    list_id INTEGER PRIMARY KEY,
    -- JSON.
    document TEXT NOT NULL,
    -- Somebody is to be told by mail.
    is_mailed INTEGER NOT NULL CHECK (is_mailed IN (0, 1))
) STRICT;

-- Mails that told of alerts.
CREATE TABLE alert_mail (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX alert_mail_by_list ON alert_mail (list_id, at);

-- Where events of a list are posted.
CREATE TABLE webhook (
    list_id INTEGER PRIMARY KEY,
    url TEXT NOT NULL,
    -- The key of the signatures.
    secret TEXT NOT NULL,
    -- Names separated by spaces.
    events TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Events that are still to be posted.
CREATE TABLE webhook_event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The same however often it is posted.
    id TEXT NOT NULL,
    list_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    UNIQUE (list_id, id)
) STRICT;

CREATE INDEX webhook_event_by_due ON webhook_event (list_id, due_at, number);

-- What came of the most recent posts.
CREATE TABLE webhook_delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    -- 0: there was no answer.
    status INTEGER NOT NULL,
    -- The beginning of the answer, or why there was none.
    answer TEXT NOT NULL,
    took_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_delivery_by_list ON webhook_delivery (list_id, number);

-- Grows with every change of the settings, also one made by another process.
CREATE TABLE alert_generation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;

INSERT INTO alert_generation (id, value) VALUES (1, 1);

CREATE TRIGGER alert_settings_made AFTER INSERT ON alert_settings BEGIN
    UPDATE alert_generation SET value = value + 1;
END;

CREATE TRIGGER alert_settings_changed AFTER UPDATE ON alert_settings BEGIN
    UPDATE alert_generation SET value = value + 1;
END;

CREATE TRIGGER alert_settings_deleted AFTER DELETE ON alert_settings BEGIN
    UPDATE alert_generation SET value = value + 1;
END;

CREATE TRIGGER webhook_made AFTER INSERT ON webhook BEGIN
    UPDATE alert_generation SET value = value + 1;
END;

CREATE TRIGGER webhook_changed AFTER UPDATE ON webhook BEGIN
    UPDATE alert_generation SET value = value + 1;
END;

CREATE TRIGGER webhook_deleted AFTER DELETE ON webhook BEGIN
    UPDATE alert_generation SET value = value + 1;
    DELETE FROM webhook_event WHERE list_id = OLD.list_id;
    DELETE FROM webhook_delivery WHERE list_id = OLD.list_id;
END;

CREATE TRIGGER list_without_alerts AFTER DELETE ON list BEGIN
    DELETE FROM alert_settings WHERE list_id = OLD.id;
    DELETE FROM webhook WHERE list_id = OLD.id;
END;
