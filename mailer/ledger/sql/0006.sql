-- What was printed for people to do. A table and a small index more; nothing is rebuilt.

-- Letters that were put on paper, and when last. Somebody may have used it: such a letter goes no other way before a person has
-- said that nobody did, and then its row goes.
CREATE TABLE printed (
    letter INTEGER PRIMARY KEY REFERENCES letter (id) ON DELETE CASCADE,
    at     INTEGER NOT NULL
) STRICT;

-- What waits by hand for one target, by the channel by which people carry it.
CREATE INDEX letter_by_hand ON letter (campaign, target, channel, attempt) WHERE state = 'by_hand';

-- Nobody has written down which of those that were there before are on paper, or were rung from a list.
INSERT INTO printed (letter, at) SELECT id, queued_at FROM letter WHERE state = 'by_hand';
