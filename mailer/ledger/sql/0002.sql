-- Confirmation, withdrawal and erasure, and the whole account of a file. No table is rebuilt: everything is a column or a
-- table more, so that this step takes as long as one look at each signature, and the plans of 0001 stay.
--
-- Personal data stands in signature.sealed, and, while an erasure is unfinished, in erasure.sealed.

-- Whether the last pass asked for confirmed signatures: a change of the configuration is followed once, not looked for at each.
ALTER TABLE campaign ADD COLUMN confirmation INTEGER NOT NULL DEFAULT 0 CHECK (confirmation IN (0, 1));

-- Only what is active and not unconfirmed is ever sent for.
ALTER TABLE signature ADD COLUMN confirmed_at INTEGER;      -- when it came to be known here
ALTER TABLE signature ADD COLUMN confirmed_by INTEGER;      -- the later row's file: read again, it is counted again
ALTER TABLE signature ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0
    CHECK (unconfirmed IN (0, 1) AND (unconfirmed = 0 OR confirmed_at IS NULL));
CREATE INDEX signature_silent ON signature (state, campaign, unconfirmed) WHERE state <> 'active' OR unconfirmed = 1;

-- The accounts of a file as 0001 has them (rows = taken + known + refused), and what is told of these beside.
ALTER TABLE file ADD COLUMN held INTEGER NOT NULL DEFAULT 0                         -- of taken: a letter of it is held
    CHECK (held BETWEEN 0 AND taken);
ALTER TABLE file ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0                  -- of held: for it is not confirmed
    CHECK (unconfirmed BETWEEN 0 AND held);
ALTER TABLE file ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0                    -- of known: it was confirmed by this row
    CHECK (confirmed >= 0);
ALTER TABLE file ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0                    -- of known: the row withdraws somebody
    CHECK (withdrawn >= 0);
ALTER TABLE file ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0                     -- of known: somebody withdrawn or erased
    CHECK (left_out >= 0 AND confirmed + withdrawn + left_out <= known);

-- Who has withdrawn or was erased, by the same keyed hash as signature.person: no row of theirs is taken in, known or not.
CREATE TABLE withdrawal (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    person   BLOB NOT NULL,
    erased   INTEGER NOT NULL CHECK (erased IN (0, 1)),
    at       INTEGER NOT NULL,
    PRIMARY KEY (campaign, person)
) STRICT, WITHOUT ROWID;

-- Erasures that are not finished: files may hold the person still. A row goes when nothing does.
CREATE TABLE erasure (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign TEXT NOT NULL REFERENCES campaign (id),    -- whose key has sealed it
    sealed   BLOB,                              -- the address; NULL once only the ledger's own file is to be compacted
    begun_at INTEGER NOT NULL
) STRICT;
