-- Times are in microseconds since the Unix epoch, by the file's own clock.

CREATE TABLE installation (
    secret BLOB NOT NULL,
    -- Where the damaged file is that this one replaced, until the operator accepts the loss.
    damaged TEXT
) STRICT;
INSERT INTO installation (secret) VALUES (randomblob(32));

-- The latest moment that any process has seen.
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot TEXT,
    uptime INTEGER NOT NULL,
    time INTEGER NOT NULL
) STRICT;
INSERT INTO clock VALUES (1, NULL, 0, 0);

CREATE TABLE permits (
    key BLOB NOT NULL,
    class TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    -- Numbers the permits of the key and class in the order of `taken_at`. So a window of many permits is counted without
    -- reading its rows.
    number INTEGER NOT NULL,
    -- When it no longer counts.
    free_at INTEGER NOT NULL,
    PRIMARY KEY (key, class, taken_at, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE cooldowns (
    key BLOB NOT NULL,
    class TEXT NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (key, class)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    process TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    since INTEGER NOT NULL,
    key BLOB NOT NULL,
    client TEXT,
    session TEXT,
    tool TEXT NOT NULL,
    effect TEXT NOT NULL,
    digest BLOB NOT NULL,
    target TEXT,
    amount TEXT,
    currency TEXT,
    arguments TEXT,
    caller_key TEXT,
    api_key TEXT,
    code TEXT,
    ids TEXT NOT NULL DEFAULT '',
    outcome TEXT,
    -- How long the outcome is kept after the change has ended.
    keep INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_by_digest ON journal (key, digest, id);
CREATE INDEX journal_by_caller_key ON journal (key, caller_key, id) WHERE caller_key IS NOT NULL;
CREATE INDEX journal_by_state ON journal (state, since);
CREATE INDEX journal_by_outcome ON journal (since) WHERE outcome IS NOT NULL;

CREATE TABLE confirmations (
    code TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    tool TEXT NOT NULL,
    digest BLOB NOT NULL,
    purpose TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX confirmations_by_digest ON confirmations (key, digest, purpose);
CREATE INDEX confirmations_by_end ON confirmations (expires_at);

CREATE TABLE calls (
    hour INTEGER NOT NULL,
    -- Empty if the key is unknown, or if Scope3 has not accepted it.
    key BLOB NOT NULL,
    tool TEXT NOT NULL,
    outcome TEXT NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (hour, key, tool, outcome)
) STRICT, WITHOUT ROWID;
