-- What the relay's own log says of the letters that it took. Tables more; nothing is rebuilt.

-- How far a log was read: in which file (device and inode, the hash of its first `length` bytes), and to which byte.
CREATE TABLE relay_log (
    name    TEXT PRIMARY KEY,
    file    TEXT NOT NULL,
    length  INTEGER NOT NULL,
    print   TEXT NOT NULL,
    offset  INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    trouble TEXT NOT NULL DEFAULT ''            -- why it could not be read the last time
) STRICT;

-- Which letter is in the relay's queue under which id, until it is removed there or nothing was heard of it for long; the short ids
-- of Postfix are given again. Rows are numbered as they came: what a later one says of a recipient goes before.
CREATE TABLE relay_queue (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    queue  TEXT NOT NULL UNIQUE,                -- with the instance of Postfix in front
    letter INTEGER NOT NULL REFERENCES letter (id),
    at     INTEGER NOT NULL,
    count  INTEGER NOT NULL DEFAULT 0           -- for how many recipients it is in the queue; 0: nothing says that it is
) STRICT;
CREATE INDEX relay_queue_letter ON relay_queue (letter);
CREATE INDEX relay_queue_at ON relay_queue (at);

-- What became of a letter at its relay, for each of its own recipients. `said` is the next server's words without what is personal.
CREATE TABLE hop (
    letter  INTEGER NOT NULL REFERENCES letter (id),
    address TEXT NOT NULL,
    state   TEXT NOT NULL,
    server  TEXT NOT NULL,
    status  TEXT NOT NULL,                      -- enhanced status code (RFC 3463)
    said    TEXT NOT NULL,
    reason  TEXT NOT NULL,                      -- in plain words, where it was not handed on
    at      INTEGER NOT NULL,                   -- by the log
    since   INTEGER NOT NULL,                   -- the first time of this state
    times   INTEGER NOT NULL,
    queue   TEXT NOT NULL,
    place   INTEGER NOT NULL,                   -- the number of its row in relay_queue
    is_new  INTEGER NOT NULL DEFAULT 1,         -- it may move the letter yet
    PRIMARY KEY (letter, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX hop_new ON hop (letter) WHERE state = 'bounced' AND is_new = 1;
CREATE INDEX hop_waits ON hop (since) WHERE state = 'deferred';
