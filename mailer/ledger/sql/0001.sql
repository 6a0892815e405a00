-- The ledger, first edition. Times are whole seconds since 1970 (UTC). Numbered migrations are never edited once released.
--
-- Personal data stands in one column, signature.sealed. Everything else is numbers, ids, states, countries and the
-- addresses of targets, which are public offices.

-- What the ledger knows of itself: 'place', the machine and the file in which it was last at work; 'mark', which file its
-- high-water mark is; 'restored_at', when a person said that it is the one to go on with.
CREATE TABLE install (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row a campaign: the fingerprint of its key, and what of its content a person has approved.
CREATE TABLE campaign (
    id              TEXT PRIMARY KEY,
    key_fingerprint TEXT NOT NULL,
    edition         TEXT NOT NULL DEFAULT '',   -- the content that the last pass sent by
    approved        TEXT NOT NULL DEFAULT '',   -- the edition that was approved
    approved_at     INTEGER,
    approved_by     TEXT NOT NULL DEFAULT ''
) STRICT;

-- The content of a campaign under its hash: what letters were rendered from, and what an approval covers.
CREATE TABLE edition (
    hash    TEXT PRIMARY KEY,
    content TEXT NOT NULL,                      -- JSON: name of a part -> its text
    kept_at INTEGER NOT NULL
) STRICT;

-- What stopped sending: 'all', 'campaign:ID', 'relay', 'ledger', 'clock'.
CREATE TABLE pause (
    scope TEXT PRIMARY KEY,
    who   TEXT NOT NULL CHECK (who IN ('worker', 'rule', 'person')),
    why   TEXT NOT NULL,
    at    INTEGER NOT NULL,
    since INTEGER NOT NULL                      -- from when on its time does not count towards giving a letter up
) STRICT;

-- The breaker of a relay, shared by all passes and workers.
CREATE TABLE relay (
    name       TEXT PRIMARY KEY,
    failures   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    why        TEXT NOT NULL,
    down_since INTEGER                          -- when the failures began that opened it; this time does not count either
) STRICT;

-- Refusals in a row that are about more than one letter: of a lane's address, of some of its addresses beside others, or (no
-- target) of a campaign by policy.
CREATE TABLE streak (
    sign      TEXT NOT NULL CHECK (sign IN ('address', 'beside', 'policy')),
    campaign  TEXT NOT NULL,
    target    TEXT NOT NULL,
    country   TEXT NOT NULL,
    addresses TEXT NOT NULL,                    -- those that the configuration named, or that were refused; others begin anew
    length    INTEGER NOT NULL,
    passes    INTEGER NOT NULL,                 -- in how many passes
    pass      TEXT NOT NULL,                    -- the one that counted last
    PRIMARY KEY (sign, campaign, target, country)
) STRICT, WITHOUT ROWID;

-- When letters were handed to a target's address, as far back as a limit looks.
CREATE TABLE sent (
    address TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX sent_to ON sent (address, at);

-- One row a signature file taken in. Its name is personal data (people name files after people): it is sealed.
CREATE TABLE file (
    id       INTEGER PRIMARY KEY,
    claim    TEXT NOT NULL UNIQUE,              -- the ULID under which it stood in claimed/
    campaign TEXT REFERENCES campaign (id),     -- NULL: none could be told
    state    TEXT NOT NULL CHECK (state IN ('reading', 'done', 'rejected')),
    read     INTEGER NOT NULL DEFAULT 0,        -- rows = taken + known + refused
    taken    INTEGER NOT NULL DEFAULT 0,
    known    INTEGER NOT NULL DEFAULT 0,
    refused  INTEGER NOT NULL DEFAULT 0,
    readings INTEGER NOT NULL DEFAULT 0,        -- how often its reading has begun
    reason   TEXT NOT NULL DEFAULT '',
    begun_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK (state <> 'done' OR read = taken + known + refused)
) STRICT;

CREATE TABLE signature (
    id       INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL REFERENCES campaign (id),
    person   BLOB NOT NULL,                     -- keyed hash of (campaign, kind, address)
    country  TEXT NOT NULL DEFAULT '',          -- ISO 3166-1 alpha-2
    file     INTEGER NOT NULL REFERENCES file (id),
    line     INTEGER NOT NULL,
    reading  INTEGER NOT NULL,                  -- the reading of its file that brought it last
    taken_at INTEGER NOT NULL,
    state    TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'withdrawn', 'erased')),
    sealed   BLOB,                              -- everything personal; NULL once erased
    CHECK ((state = 'erased') = (sealed IS NULL)),
    UNIQUE (campaign, person)
) STRICT;

-- One row a letter; a notice (receipt, digest, alarm) is carried by the same attempts and is never counted as a letter.
CREATE TABLE letter (
    id              INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: people write it down, and the journal knows it
    kind            TEXT NOT NULL DEFAULT 'letter' CHECK (kind IN ('letter', 'notice')),
    campaign        TEXT NOT NULL REFERENCES campaign (id),
    signature       INTEGER REFERENCES signature (id),
    target          TEXT NOT NULL,
    country         TEXT NOT NULL DEFAULT '',   -- the signatory's, where the target's route depends on it
    channel         TEXT NOT NULL CHECK (channel IN ('email', 'phone', 'post')),
    state           TEXT NOT NULL CHECK (state IN ('held', 'queued', 'sending', 'deferred', 'in_doubt', 'accepted', 'refused',
                                                   'bounced', 'expired', 'cancelled', 'by_hand', 'done')),
    reason          TEXT NOT NULL DEFAULT '',
    held_by         TEXT CHECK (held_by IN ('rule', 'person')),
    attempt         INTEGER NOT NULL DEFAULT 0, -- number of the newest attempt
    tries           INTEGER NOT NULL DEFAULT 0, -- attempts that reached MAIL
    deaths          INTEGER NOT NULL DEFAULT 0, -- workers that died while they wrote it
    resent          INTEGER NOT NULL DEFAULT 0 CHECK (resent IN (0, 1)), -- the one resend that a rule may give was given
    first_tried_at  INTEGER,
    next_attempt_at INTEGER,
    queued_at       INTEGER NOT NULL,
    accepted_at     INTEGER,
    message_id      TEXT NOT NULL,
    date            INTEGER,                    -- fixed, with the next three, by the first attempt that reaches DATA
    edition         TEXT,
    language        TEXT,
    sha256          TEXT,
    recipients      TEXT NOT NULL DEFAULT '[]', -- JSON: [[address, role, state, reply, why, times, may_have_it], ...]
    CHECK (kind = 'notice' OR signature IS NOT NULL),
    CHECK ((state = 'held') = (held_by IS NOT NULL)),
    CHECK ((state IN ('queued', 'deferred')) = (next_attempt_at IS NOT NULL)),
    CHECK (state <> 'accepted' OR accepted_at IS NOT NULL),
    UNIQUE (signature, target)
) STRICT;

-- A lane is one target (and, for a directory, one country) of one campaign: what waits there goes out in this order.
CREATE INDEX letter_due ON letter (campaign, target, country, next_attempt_at) WHERE state IN ('queued', 'deferred');
CREATE INDEX letter_held ON letter (campaign, target, country, reason, held_by) WHERE state = 'held';
CREATE INDEX letter_state ON letter (campaign, target, state);
CREATE INDEX letter_in_doubt ON letter (campaign, target, country) WHERE state = 'in_doubt';
CREATE INDEX letter_tried ON letter (campaign, first_tried_at)
    WHERE state IN ('queued', 'deferred') AND first_tried_at IS NOT NULL;

-- One try to hand a letter over: opened before any connection, marked before the dot, settled with its outcome.
CREATE TABLE attempt (
    letter      INTEGER NOT NULL REFERENCES letter (id),
    number      INTEGER NOT NULL,
    worker      TEXT NOT NULL,
    relay       TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    lease_until INTEGER,                        -- for ledgers that several workers share
    marked_at   INTEGER,                        -- the dot mark: durable before the final dot leaves
    marked      TEXT NOT NULL DEFAULT '',       -- JSON: addresses that the relay had accepted for this body
    settled_at  INTEGER,
    verdict     TEXT CHECK (verdict IN ('accepted', 'deferred', 'refused', 'in_doubt', 'unsent', 'held')),
    stage       TEXT NOT NULL DEFAULT '',
    scope       TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    answer      TEXT NOT NULL DEFAULT '',
    recipients  TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (letter, number),
    CHECK ((settled_at IS NULL) = (verdict IS NULL)),
    CHECK (verdict IS NULL OR verdict NOT IN ('accepted', 'in_doubt') OR marked_at IS NOT NULL),
    -- Behind the mark only an answer tells: to the dot, or one that came before the dot and kept it back.
    CHECK (verdict IS NULL OR marked_at IS NULL OR verdict = 'in_doubt' OR stage IN ('body', 'dot'))
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_open ON attempt (letter) WHERE settled_at IS NULL;

-- The journal: written in the transaction of what it tells, each line naming the hash of the one before.
CREATE TABLE journal (
    seq  INTEGER PRIMARY KEY,
    line TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
