-- Notices: receipts, digests and trials. Two tables more; nothing is rebuilt.

-- What a notice says, fixed when it is made: ids, states, reasons and counts, nothing personal. Its row in `letter` (kind
-- 'notice') has the name of its lane as target, '@receipt', '@digest' or '@trial'. No two have the same name: that is what keeps
-- a receipt or a day's digest from going out twice.
CREATE TABLE notice (
    letter INTEGER PRIMARY KEY REFERENCES letter (id),
    name   TEXT NOT NULL UNIQUE,
    facts  TEXT NOT NULL                        -- JSON
) STRICT;

-- Signatures of which a letter has moved since a receipt was thought of, and from when on to look at them.
CREATE TABLE receipt_due (
    signature INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL
) STRICT;
CREATE INDEX receipt_due_at ON receipt_due (at);
