"""
What may stand in a campaign's file: each key that `campaigns` reads, but for those of `senders`, `signing` and `targets`.
"""

from __future__ import annotations

from dataclasses import replace

from mailer.columns import FIELDS
from mailer.config import senders, signing, targets
from mailer.config.keys import Key, Named, Part
from mailer.config.paces import PER_DAY, PER_HOUR, PER_MINUTE
from mailer.config.values import choice, day, email, identifier, language, lines, minute, number, shape_of, text

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

ID = Key(
    "id", identifier, "", "The campaign's name in commands, the queue and templates/; the same as its file's.", required=True
)
TITLE = Key("title", text, "", "What is asked, in a line; templates see it as campaign.title.", required=True)
DEFAULT = Key("default", language, "", "The language of a letter where no other is known or has templates.", required=True)
AVAILABLE = Key(
    "available",
    language,
    None,
    "The languages that have templates, each in templates/ID/LANGUAGE; unless told, the default alone.",
    several=True,
)
PREFER = Key("prefer", choice("target", "signatory"), "target", "Whose language a letter is written in.")
LANGUAGES = Part("languages", "The languages of the letters.", (DEFAULT, AVAILABLE, PREFER), required=True)
COPY_TO = Key("copy_to", email, None, "The campaign's own addresses, each of which gets the copies.", several=True)
COPY_POLICY = Key(
    "copy_policy",
    choice("every", "digest", "none"),
    "every",
    "Whether every letter is copied to copy_to, or one mail a day tells what went out, with the first letters in it, or none.",
)
APPROVAL = Key(
    "approval",
    choice("required", "none"),
    "required",
    "Whether letters wait until a person has approved texts and addresses (mailer approve).",
)
CONSENT = Key(
    "consent",
    choice("required", "assumed"),
    "required",
    "Whether each row of a signature file must say that its person agrees.",
)
CONFIRMATION = Key(
    "confirmation",
    choice("required", "none"),
    "none",
    "Whether a signature waits until its signatory has confirmed it (a column confirmed_at, or a later file).",
)
RECEIPT = Key(
    "receipt",
    choice("off", "on", "all"),
    "off",
    "Whether a signatory is told once what became of their letters: on, where the address is confirmed; all, also where not.",
)
ORGANISER = Key("", email, None, "An organiser's own address.")
ORGANISERS = Named(
    "organisers",
    "Who may be sent the campaign's letters to try (mailer preview CAMPAIGN --send-to NAME), by a short name.",
    shape_of(identifier),
    ORGANISER,
)
_TAKEN, _SAME = choice("accept", "refuse"), choice("distinct", "same")
ROLE = Key("role", _TAKEN, "accept", "Whether office@ and other addresses of a function are taken.")
DISPOSABLE = Key("disposable", _TAKEN, "accept", "Whether addresses of throw-away mailboxes are taken.")
PLUS_TAG = Key("plus_tag", _SAME, "distinct", "Whether jane+news@ is the same person as jane@.")
GMAIL_DOTS = Key("gmail_dots", _SAME, "distinct", "Whether j.a.n.e@gmail.com is the same person as jane@gmail.com.")
ADDRESSES = Part(
    "addresses",
    "Which addresses of signatories are taken, and which are one person's; the latter is fixed by the first signature.",
    (ROLE, DISPOSABLE, PLUS_TAG, GMAIL_DOTS),
)
OPENS = Key("opens", day, None, "Signatures from before this day are refused.")
DEADLINE = Key("deadline", day, None, "Letters that are not accepted by the end of this day expire.")
PACE = Part(
    "pace",
    "How fast each address is written to, copies included; none lifts the limits.",
    (
        replace(PER_MINUTE, says="Letters a minute, or none; unless told, 20 in mode smtp."),
        replace(PER_HOUR, says="Letters an hour, or none; unless told, 500 in mode smtp."),
        PER_DAY,
    ),
    instead=choice("none"),
)
DAYS = Key("days", choice(*WEEK), None, "On which days letters go out.", required=True, several=True)
FROM = Key("from", minute, None, 'From when on, like "09:00".', required=True)
TO = Key("to", minute, None, 'Until when, later on the same day, like "18:00".', required=True)
HOLIDAYS = Key(
    "holidays",
    choice("closed", "open"),
    "closed",
    "Whether public holidays where the target is (country) are as Sundays, or as any day.",
)
WINDOW = Part("window", "In which hours letters go to a target, in the target's time zone.", (DAYS, FROM, TO, HOLIDAYS))
HEADER = Key("", lines, "", "The heading of this column in the campaign's own sheets, word for word.")
COLUMNS = Named(
    "columns",
    "The headings of the campaign's own sheets, by field; usual ones, in six languages, are known without it. A file that "
    "lacks the one of name, email or consent is set aside.",
    {"enum": sorted(FIELDS)},
    HEADER,
)
RESEND_AFTER = Key(
    "resend_after",
    number(1),
    None,
    "After how many hours a letter in doubt is sent once more, by itself, once; unless told, never.",
)
IN_DOUBT = Part("in_doubt", "What becomes of letters in doubt.", (RESEND_AFTER,))
FILE = Part(
    "campaigns/<id>.yaml",
    "One campaign: what is asked, of whom, from whom, how fast.",
    (
        ID,
        TITLE,
        LANGUAGES,
        senders.SENDER,
        signing.DKIM,
        COPY_TO,
        COPY_POLICY,
        APPROVAL,
        CONSENT,
        CONFIRMATION,
        RECEIPT,
        ORGANISERS,
        OPENS,
        DEADLINE,
        PACE,
        WINDOW,
        COLUMNS,
        ADDRESSES,
        IN_DOUBT,
        targets.TARGETS,
    ),
)
