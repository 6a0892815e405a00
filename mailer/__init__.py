"""
mailer turns the signatures of a campaign into personal letters to its targets, each sent exactly once.

    spool > intake > signature > letter > courier > outcome > report

A tour, in the order in which a signature travels. An organiser drops a file into the *spool*; `intake` reads its rows
(`sheets`, `columns`), checks each (`signature`) and writes it down, sealed, with a letter for each target of its `campaign`.
`rules` hold what must not go yet. `dispatch` picks what is due and within `pace`; a `courier` has it written at the `desk`
(`render`, `letter`), hands it to the `relay`, makes the dot mark durable, sends the dot, and settles what became of it
(`outcome`, `delivery`) in the `ledger`, whose `journal` is copied out for people. What it means for other letters is drawn by
`consequences`. `report` shows it.

The promise: every valid row becomes exactly one letter to each target; each letter ends in a state that evidence backs; and
where the final dot may have gone out without an answer the letter is *in doubt*, shown, and not sent again by itself.

Read next: `delivery` (the table of moves), then `courier` (the column of verbs).
"""

__version__ = "0.1.0"
