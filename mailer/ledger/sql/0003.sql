-- Targets that a person has closed. A table more; nothing is rebuilt.

-- A row goes when a person opens the target again. Its letters wait meanwhile, held by the rule that looks here.
CREATE TABLE closing (
    campaign TEXT NOT NULL REFERENCES campaign (id),
    target   TEXT NOT NULL,
    why      TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (campaign, target)
) STRICT, WITHOUT ROWID;
