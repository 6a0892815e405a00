-- Evidence from behind acceptance: bounces, delays, the campaign's own copies, answers. Tables more; nothing is rebuilt.

-- What came in about a letter. `said` is the server's words without what is personal; of people's answers nothing is kept but that
-- they came. Something that comes a second time is the same row.
CREATE TABLE evidence (
    id      INTEGER PRIMARY KEY,
    letter  INTEGER NOT NULL REFERENCES letter (id),
    kind    TEXT NOT NULL,
    address TEXT NOT NULL,
    at      INTEGER NOT NULL,                   -- when it was read
    status  TEXT NOT NULL,                      -- enhanced status code (RFC 3463), or empty
    said    TEXT NOT NULL,
    source  TEXT NOT NULL,                      -- what tells one mail or line of a log from another
    UNIQUE (letter, kind, address, source)
) STRICT;
CREATE INDEX evidence_kind ON evidence (kind, at);

-- How far a mailbox was read: an IMAP folder by its UIDs, a Maildir by the names in `mail_read`; a relay's log by bytes.
CREATE TABLE mailbox (
    name     TEXT PRIMARY KEY,
    validity INTEGER NOT NULL,
    uid      INTEGER NOT NULL,
    read_at  INTEGER NOT NULL,
    trouble  TEXT NOT NULL DEFAULT ''           -- why it could not be read the last time
) STRICT;
CREATE TABLE mail_read (
    mailbox TEXT NOT NULL,
    name    TEXT NOT NULL,
    PRIMARY KEY (mailbox, name)
) STRICT, WITHOUT ROWID;

-- Mail that says nothing which can be believed, counted by why.
CREATE TABLE mail_ignored (
    why   TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
