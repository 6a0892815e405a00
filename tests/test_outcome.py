"""
Replies and what they come to.

REPLIES is the table of `outcome` seen from outside: a reply at a step, its class, and whose matter it is.
"""

import contextlib
import itertools

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mailer.outcome import (
    BEFORE_MAIL,
    TABLE,
    Handover,
    Lost,
    Recipient,
    Reply,
    Role,
    Rule,
    Scope,
    Sign,
    Stage,
    Standing,
    Verdict,
    answered,
    asked_again,
    decide,
    judge,
    may_send,
    own,
)
from mailer.outcome.judging import window

A, D, R, DOUBT, W = Verdict.ACCEPTED, Verdict.DEFERRED, Verdict.REFUSED, Verdict.IN_DOUBT, Verdict.WAITING
TO, CC, COPY = Role.TO, Role.CC, Role.COPY
SCOPES = {"R": Scope.RECIPIENT, "L": Scope.LETTER, "C": Scope.CAMPAIGN, "H": Scope.RELAY}

# step, code, enhanced code, text, class, scope (R recipient, L letter, C campaign, H relay or account)
REPLIES = [
    # what is expected
    ("mail", 250, "2.1.0", "ok", A, "L"),
    ("rcpt", 250, "2.1.5", "ok", A, "L"),
    ("rcpt", 251, "", "will forward", A, "L"),
    ("rcpt", 252, "2.5.2", "cannot verify, will try", A, "L"),
    ("data", 354, "", "go on", A, "L"),
    ("dot", 250, "2.0.0", "queued", A, "L"),
    ("dot", 200, "", "", A, "L"),
    ("dot", 299, "", "fine", A, "L"),
    ("dot", 300, "", "fine?", DOUBT, "L"),
    # the relay closes
    ("mail", 421, "4.3.2", "closing", D, "H"),
    ("rcpt", 421, "", "closing", D, "H"),
    ("data", 421, "", "closing", D, "H"),
    ("body", 421, "4.7.0", "too slow", D, "H"),
    ("dot", 421, "4.3.0", "closing", D, "H"),
    # try later
    ("mail", 450, "4.3.0", "later", D, "L"),
    ("mail", 451, "", "later", D, "L"),
    ("mail", 452, "4.3.1", "disk full", D, "L"),
    ("mail", 450, "4.7.1", "slow down", D, "H"),
    ("rcpt", 400, "", "", D, "R"),
    ("rcpt", 450, "4.2.1", "busy", D, "R"),
    ("rcpt", 450, "4.7.1", "greylisted", D, "R"),
    ("rcpt", 451, "", "greylisted", D, "R"),
    ("rcpt", 452, "4.3.1", "disk full", D, "R"),
    ("data", 451, "4.3.0", "later", D, "L"),
    ("body", 452, "4.3.1", "disk full", D, "L"),
    ("dot", 451, "4.7.1", "greylisted", D, "L"),
    ("dot", 450, "", "later", D, "L"),
    # too many recipients in one transaction
    ("rcpt", 452, "4.5.3", "Error: too many recipients", W, "R"),
    ("rcpt", 452, "4.5.3", "enough", W, "R"),
    ("rcpt", 452, "", "Too many recipients", W, "R"),
    ("rcpt", 552, "5.5.3", "enough", W, "R"),
    ("rcpt", 552, "", "too many recipients", W, "R"),
    ("data", 452, "4.5.3", "too many recipients", D, "L"),
    # a full mailbox, whatever words are used
    ("rcpt", 452, "4.2.2", "over quota", D, "R"),
    ("rcpt", 422, "4.2.2", "full", D, "R"),
    ("rcpt", 450, "4.2.2", "quota exceeded", D, "R"),
    ("rcpt", 552, "5.2.2", "mailbox full", D, "R"),
    ("rcpt", 550, "5.2.2", "quota exceeded", D, "R"),
    ("rcpt", 552, "", "storage", D, "R"),
    ("rcpt", 450, "", "the mailbox is over its quota", D, "R"),
    ("rcpt", 554, "", "user over quota", D, "R"),
    ("dot", 452, "4.2.2", "over quota", D, "L"),
    ("dot", 552, "5.2.2", "mailbox full", D, "R"),
    # a command that is not understood
    ("mail", 501, "5.5.4", "syntax", D, "C"),
    ("mail", 500, "", "what?", D, "C"),
    ("rcpt", 501, "5.1.3", "bad address syntax", R, "R"),
    ("rcpt", 501, "", "syntax", D, "H"),
    ("rcpt", 503, "5.5.1", "MAIL first", D, "H"),
    ("data", 503, "5.5.1", "RCPT first", D, "L"),
    # our account
    ("greeting", 554, "", "no service", D, "H"),
    ("ehlo", 550, "", "go away", D, "H"),
    ("starttls", 454, "4.7.0", "TLS not available", D, "H"),
    ("auth", 535, "5.7.8", "bad password", D, "H"),
    ("auth", 454, "4.7.0", "later", D, "H"),
    ("auth", 334, "", "VXNlcm5hbWU6", D, "H"),
    ("mail", 530, "5.7.0", "authentication required", D, "H"),
    ("mail", 550, "5.7.9", "mechanism too weak", D, "H"),
    ("rcpt", 550, "5.7.8", "credentials invalid", D, "H"),
    ("dot", 535, "", "credentials invalid", D, "H"),
    # no such mailbox
    ("mail", 550, "5.1.8", "sender address rejected", D, "C"),
    ("mail", 553, "", "sender not owned", D, "C"),
    ("rcpt", 550, "5.1.1", "no such user", R, "R"),
    ("rcpt", 550, "5.1.2", "no such domain", R, "R"),
    ("rcpt", 553, "5.1.3", "bad address", R, "R"),
    ("rcpt", 550, "5.1.6", "has moved", R, "R"),
    ("rcpt", 551, "", "not local", R, "R"),
    ("rcpt", 553, "", "not allowed", R, "R"),
    ("dot", 550, "5.1.1", "no such user", R, "L"),
    # too large
    ("mail", 552, "5.3.4", "too large", R, "L"),
    ("body", 552, "5.3.4", "too large", R, "L"),
    ("dot", 552, "5.3.4", "too large", R, "L"),
    # rate limits
    ("mail", 550, "5.4.5", "daily sending limit", D, "H"),
    ("rcpt", 550, "5.4.5", "daily sending limit", D, "H"),
    ("rcpt", 450, "4.2.1", "Rate limit reached", D, "H"),
    ("data", 550, "", "too many messages", D, "H"),
    ("dot", 550, "5.4.5", "sending quota exceeded", D, "H"),
    ("dot", 450, "", "throttled", D, "H"),
    ("greeting", 550, "5.4.5", "daily limit", D, "H"),
    ("mail", 554, "", "too many messages", D, "H"),
    ("rcpt", 450, "", "too many recipients of this mailbox", D, "R"),  # no window: not about how fast
    ("rcpt", 451, "", "too many unknown users", D, "R"),
    ("data", 450, "", "too many concurrent SMTP sessions", D, "L"),
    # the sender, said at RCPT as many servers do
    ("rcpt", 550, "5.1.8", "domain not found", D, "C"),
    ("rcpt", 553, "5.7.1", "<a@b.example>: Sender address rejected: not owned by user", D, "C"),
    # policy
    ("mail", 550, "5.7.1", "not allowed", D, "C"),
    ("rcpt", 554, "5.7.1", "rejected", R, "R"),
    ("rcpt", 550, "", "listed in a block list", R, "R"),
    ("data", 554, "5.7.1", "rejected", R, "L"),
    ("dot", 554, "5.7.1", "rejected", R, "L"),
    ("dot", 554, "", "looks like spam", R, "L"),
    # our bytes
    ("mail", 550, "5.6.7", "SMTPUTF8 needed", R, "L"),
    ("rcpt", 553, "5.6.7", "SMTPUTF8 needed", R, "R"),
    ("dot", 554, "5.6.0", "malformed", R, "L"),
    # other refusals
    ("mail", 554, "", "no", D, "C"),
    ("rcpt", 554, "", "no", R, "R"),
    ("rcpt", 550, "5.10.1", "no such code", R, "R"),
    ("data", 554, "", "no valid recipients", R, "L"),
    ("body", 554, "", "enough", R, "L"),
    ("dot", 554, "", "no", R, "L"),
    # what belongs to no step
    ("mail", 354, "", "go on", D, "H"),
    ("rcpt", 354, "", "go on", D, "H"),
    ("data", 250, "", "ok", D, "H"),
    ("body", 250, "", "queued already", D, "H"),
    ("dot", 354, "", "go on", DOUBT, "L"),
]


@pytest.mark.parametrize(("stage", "code", "enhanced", "text", "verdict", "scope"), REPLIES)
def test_a_reply_has_its_class_and_is_somebodys_matter(stage, code, enhanced, text, verdict, scope):
    said = judge(Stage(stage), Reply(code, enhanced, text))
    assert (said.verdict, said.scope) == (verdict, SCOPES[scope])
    assert bool(said.reason) == (verdict is not A)


@pytest.mark.parametrize(
    ("stage", "code", "enhanced", "text", "reason"),
    [
        ("mail", 535, "", "", "the relay refuses our account"),
        ("auth", 554, "", "", "the relay refuses our account"),
        ("auth", 454, "", "", "the relay cannot be used just now"),
        ("data", 421, "", "", "the relay is closing"),
        ("rcpt", 550, "5.1.1", "", "there is no such mailbox"),
        ("rcpt", 501, "5.1.3", "", "there is no such mailbox"),
        ("rcpt", 550, "", "", "the server refuses this recipient"),
        ("rcpt", 553, "5.6.7", "", "the server says that the letter is malformed"),
        ("rcpt", 550, "5.7.1", "", "the server refuses by policy"),
        ("rcpt", 550, "", "see our policy", "the server refuses by policy"),
        ("mail", 550, "5.7.1", "", "the server refuses by policy"),
        ("dot", 554, "5.7.1", "", "the server refuses by policy"),
        ("dot", 554, "", "Spam", "the server refuses by policy"),
        ("dot", 554, "", "antispamming", "the server refuses the letter"),
        ("dot", 452, "4.2.2", "", "the mailbox is full"),
        ("data", 452, "4.5.3", "", "too many recipients at once"),
        ("body", 503, "", "", "the relay does not understand us"),
        ("dot", 503, "", "", "the relay does not understand us"),
        ("mail", 451, "4.7.1", "", "the relay slows us down"),
        ("rcpt", 550, "", "no such user", "there is no such mailbox"),
        ("rcpt", 551, "", "", "there is no such mailbox"),
        ("rcpt", 553, "", "", "there is no such mailbox"),
        ("rcpt", 550, "5.1.7", "", "the relay refuses our sender"),
    ],
)
def test_a_judgement_says_why_in_plain_words(stage, code, enhanced, text, reason):
    assert judge(Stage(stage), Reply(code, enhanced, text)).reason == reason


@pytest.mark.parametrize("answer", [Lost("reset"), Lost("no answer within 600 s"), Lost("not SMTP", garbled=True)], ids=str)
@pytest.mark.parametrize("stage", Stage)
def test_a_loss_is_the_relays_matter_and_behind_the_dot_a_doubt(stage, answer):
    said = judge(stage, answer)
    assert (said.verdict, said.scope) == ((DOUBT, Scope.LETTER) if stage is Stage.DOT else (D, Scope.RELAY))
    assert str(answer) in said.reason


def test_every_row_of_the_table_is_the_first_for_some_reply():
    codes = [421, 422, 450, 451, 452, 454, *range(500, 505), 530, 534, 535, 538, *range(550, 555)]
    known = {begin for rule in TABLE for begin in rule.enhanced}
    texts = ["", "too many recipients", "quota", "spam", "mailbox full", "sender address rejected", "no such user"]
    reached = set()
    for stage, code, enhanced, text in itertools.product(Stage, codes, ["", *known], texts):
        if not enhanced or enhanced[0] == str(code)[0]:
            reached.add(next(i for i, rule in enumerate(TABLE) if rule.fits(stage, Reply(code, enhanced, text))))
    assert [rule for i, rule in enumerate(TABLE) if i not in reached] == []


def test_an_operators_own_rows_come_first():
    own = Rule(frozenset({Stage.RCPT}), D, Scope.CAMPAIGN, "our rule", codes=("550",))
    assert judge(Stage.RCPT, Reply(550, "5.1.1", ""), (own, *TABLE)).reason == "our rule"
    assert judge(Stage.RCPT, Reply(551, "5.1.1", ""), (own, *TABLE)).reason == "there is no such mailbox"


@pytest.mark.parametrize(
    ("stage", "code", "enhanced", "text", "sign", "at_most", "pause"),
    [
        ("rcpt", 550, "5.1.1", "", Sign.ADDRESS, None, 0),
        ("rcpt", 553, "", "", Sign.ADDRESS, None, 0),
        ("rcpt", 550, "", "", Sign.NONE, None, 0),
        ("dot", 550, "5.1.1", "", Sign.NONE, None, 0),
        ("rcpt", 550, "5.7.1", "", Sign.POLICY, None, 0),
        ("dot", 554, "", "spam", Sign.POLICY, None, 0),
        ("mail", 550, "5.7.1", "", Sign.NONE, None, 0),
        ("rcpt", 452, "4.2.2", "", Sign.FULL, None, 0),
        ("rcpt", 552, "5.2.2", "", Sign.FULL, 3, 0),
        ("rcpt", 552, "", "", Sign.FULL, 3, 0),
        ("dot", 552, "5.2.2", "", Sign.NONE, None, 0),
        ("data", 503, "", "", Sign.NONE, 1, 0),
        ("dot", 500, "", "", Sign.NONE, 1, 0),
        ("mail", 550, "5.4.5", "", Sign.RATE, None, 3600),
        ("greeting", 450, "", "rate limit, try in 5 minutes", Sign.RATE, None, 300),
        ("dot", 451, "", "daily quota", Sign.RATE, None, 86_400),
        ("mail", 451, "4.7.1", "", Sign.NONE, None, 0),
    ],
)
def test_a_judgement_says_what_else_follows(stage, code, enhanced, text, sign, at_most, pause):
    said = judge(Stage(stage), Reply(code, enhanced, text))
    assert (said.sign, said.at_most, said.pause) == (sign, at_most, pause)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 3600),
        ("sending limit", 3600),
        ("100 per hour", 3600),
        ("100/hour", 3600),
        ("limit of 100 per 2 hours", 7200),
        ("within 30 seconds", 30),
        ("retry in 15 minutes", 900),
        ("10 per minute", 60),
        ("Daily sending quota", 86_400),
        ("500 a day", 86_400),
        ("no more today", 86_400),
        ("in 99999 days", 86_400),
        ("in 0 seconds", 1),
        ("the day of judgement", 3600),
    ],
)
def test_a_limit_holds_as_long_as_it_says_and_an_hour_where_it_does_not(text, seconds):
    assert window(text) == seconds


def test_no_row_of_ours_says_what_an_operators_must_not():
    for row in TABLE:
        assert row.verdict in {D, R, W}
        assert row.verdict is not R or row.scope in {Scope.RECIPIENT, Scope.LETTER}
        assert not row.stages & set(BEFORE_MAIL) or (row.scope is Scope.RELAY and row.verdict is D)
        assert row.at_most is None or (row.verdict is D and row.scope in {Scope.RECIPIENT, Scope.LETTER})
        assert row.sign is not Sign.RATE or row.scope is Scope.RELAY


def row(stage, verdict, scope, **conditions):
    chosen = frozenset(Stage(name) for name in stage.split())
    return Rule(chosen, verdict, SCOPES[scope], conditions.pop("reason", "because"), **({"codes": ("550",)} | conditions))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (row("rcpt", A, "R"), "class must be deferred or refused"),
        (row("dot", DOUBT, "L"), "class must be deferred or refused"),
        (row("rcpt", W, "R"), "class must be deferred or refused"),
        (row("dot", R, "H"), "class must be deferred where the scope is relay"),
        (row("mail", R, "C"), "class must be deferred where the scope is campaign"),
        (row("auth", D, "L"), "scope must be relay before mail"),
        (row("greeting rcpt", D, "R"), "scope must be relay before mail"),
        (row("data", R, "R"), "scope can be recipient at rcpt and at dot only"),
        (row("rcpt", R, "L"), "scope must be recipient at rcpt"),
        (row("rcpt", R, "R", codes=()), "code or enhanced or pattern must be given"),
        (row("rcpt", R, "R", enhanced=("4.7.1",)), "enhanced begins with another digit than code"),
    ],
)
def test_an_operators_row_that_says_too_much_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        own(wrong)


def test_an_operators_row_has_the_consequences_of_the_reason_that_it_names():
    gone = own(row("rcpt", R, "R", reason="there is no such mailbox"))
    assert judge(Stage.RCPT, Reply(550, "5.7.1", ""), (gone, *TABLE)).sign is Sign.ADDRESS
    limit = own(row("mail dot", D, "H", reason="the relay limits how fast we send"))
    assert judge(Stage.DOT, Reply(550, "", "per day"), (limit, *TABLE)).pause == 86_400
    assert own(row("dot", D, "H")).sign is Sign.NONE


# Promises for any answer

CODES = st.sampled_from([250, 354, 421, 450, 452, 550, 552, 554]) | st.integers(200, 599)
REPLY = st.builds(
    lambda code, tail, text: Reply(code, f"{code // 100}.{tail}" if tail and code // 100 in {2, 4, 5} else "", text),
    CODES,
    st.sampled_from(["", "1.1", "2.2", "3.4", "4.5", "5.3", "6.0", "7.1", "7.8", "10.1", "1.10"]),
    st.sampled_from(["", "ok", "spam", "quota", "too many recipients", "rate limit", "\n"]),
)
ANSWER = st.one_of(REPLY, st.builds(Lost, st.sampled_from(["reset", "time-out"]), st.booleans()))


OWN = st.builds(
    Rule,
    st.frozensets(st.sampled_from(Stage), min_size=1),
    st.sampled_from(Verdict),
    st.sampled_from(Scope),
    st.just("ours"),
    st.sampled_from([(), ("4",), ("5",), ("55",), ("421",), ("550", "250")]),
    st.sampled_from([(), ("4.2",), ("5",), ("5.1.1",)]),
)


@st.composite
def tables(draw):
    """The shipped table, with rows of an operator before it: those that the configuration would take."""
    rows = []
    for rule in draw(st.lists(OWN, max_size=3)):
        with contextlib.suppress(ValueError):
            rows.append(own(rule))
    return (*rows, *TABLE)


@given(st.sampled_from(Stage), ANSWER, tables())
def test_whatever_an_operator_writes_the_promises_hold(stage, answer, table):
    said = judge(stage, answer, table)
    positive = isinstance(answer, Reply) and (answer.code == 354 if stage is Stage.DATA else answer.code // 100 == 2)
    assert (said.verdict is A) == (positive and stage is not Stage.BODY)
    assert (said.verdict is DOUBT) == (judge(stage, answer).verdict is DOUBT)
    if said.scope in {Scope.RELAY, Scope.CAMPAIGN} or stage in BEFORE_MAIL:
        assert said.verdict is not R
    if stage in BEFORE_MAIL and said.verdict is not A:
        assert said.scope is Scope.RELAY


@given(st.sampled_from(Stage), ANSWER)
def test_every_answer_has_a_judgement_and_the_relays_matter_refuses_nothing(stage, answer):
    said = judge(stage, answer)
    positive = isinstance(answer, Reply) and (answer.code == 354 if stage is Stage.DATA else answer.code // 100 == 2)
    assert (said.verdict is A) == (positive and stage is not Stage.BODY)
    assert (said.verdict is DOUBT) <= (stage is Stage.DOT)
    assert said.verdict is not W or stage is Stage.RCPT
    if said.scope is Scope.RELAY or said.scope is Scope.CAMPAIGN or stage in BEFORE_MAIL:
        assert said.verdict is not R
    if stage in BEFORE_MAIL and said.verdict is not A:
        assert said.scope is Scope.RELAY


# A letter with several recipients

OK, BUSY, GONE, SPLIT, FULL = (
    Reply(250, "2.1.5", "ok"),
    Reply(450, "4.2.1", "busy"),
    Reply(550, "5.1.1", "no such user"),
    Reply(452, "4.5.3", "too many recipients"),
    Reply(552, "5.2.2", "full"),
)
GO, LATER, NEVER, BYE, GONE_DARK = (
    Reply(354, "", "go on"),
    Reply(451, "4.3.0", "later"),
    Reply(554, "5.6.0", "no"),
    Reply(421, "4.3.2", "bye"),
    Lost("reset"),
)
WAITING = "waiting"

# roles with their states so far; how the attempt ended: step, answer, answers to RCPT;
# then the letter's class and scope, a part of the reason, and the recipients' states
LETTERS = {
    "one, taken": ("to", "dot", OK, [OK], A, "L", "", "accepted"),
    "one, later at the dot": ("to", "dot", LATER, [OK], D, "L", "try later", "deferred"),
    "one, refused at the dot": ("to", "dot", NEVER, [OK], R, "L", "malformed", "refused"),
    "one, closing at the dot": ("to", "dot", BYE, [OK], D, "H", "closing", "deferred"),
    "one, no answer to the dot": ("to", "dot", GONE_DARK, [OK], DOUBT, "L", "reset", "in_doubt"),
    "one, unknown": ("to", "rcpt", GONE, [GONE], R, "R", "no such mailbox", "refused"),
    "one, busy": ("to", "rcpt", BUSY, [BUSY], D, "R", "try later", "deferred"),
    "one, no room in the first transaction": ("to", "rcpt", SPLIT, [SPLIT], D, "R", "too many", "waiting"),
    "nobody could connect": ("to cc copy", "connect", GONE_DARK, [], D, "H", "nothing was sent", "deferred deferred waiting"),
    "account refused": ("to copy", "auth", Reply(535, "", ""), [], D, "H", "account", "deferred waiting"),
    "sender refused": ("to copy", "mail", Reply(550, "5.7.1", ""), [], D, "C", "policy", "deferred waiting"),
    "too large, said at MAIL": ("to cc copy", "mail", Reply(552, "5.3.4", ""), [], R, "L", "large", "refused refused refused"),
    "lost between the recipients": ("to cc", "rcpt", GONE_DARK, [OK, GONE_DARK], D, "H", "nothing", "deferred deferred"),
    "unknown, then lost": ("to cc", "rcpt", GONE_DARK, [GONE, GONE_DARK], R, "R", "no such mailbox", "refused dropped"),
    "not now, said at DATA": ("to cc", "data", LATER, [OK, OK], D, "L", "later", "deferred deferred"),
    "never, said at DATA": ("to cc copy", "data", NEVER, [OK, BUSY, OK], R, "L", "malformed", "refused dropped refused"),
    "cut off in the body": ("to copy", "body", GONE_DARK, [OK, OK], D, "H", "nothing was sent", "deferred waiting"),
    "an early refusal in the body": ("to copy", "body", Reply(552, "5.3.4", ""), [OK, OK], R, "L", "large", "refused refused"),
    "an early yes in the body": ("to", "body", OK, [OK], D, "H", "nothing was sent", "deferred"),
    "all taken": ("to to cc copy", "dot", OK, [OK] * 4, A, "L", "", "accepted accepted accepted accepted"),
    "one of two unknown": ("to to", "dot", OK, [GONE, OK], A, "L", "", "refused accepted"),
    "one of two busy": ("to to", "dot", OK, [OK, BUSY], D, "R", "try later", "accepted deferred"),
    "one unknown, one busy": ("to to cc", "rcpt", GONE, [GONE, BUSY, OK], D, "R", "try later", "refused deferred deferred"),
    "all unknown: cc and copy are dropped": ("to to cc copy", "rcpt", GONE, [GONE, GONE, OK, OK], R, "R", "no such mailbox",
                                             "refused refused dropped dropped"),
    "the office unknown, cc unknown too": ("to cc", "rcpt", GONE, [GONE, GONE], R, "R", "no such mailbox", "refused refused"),
    "the office busy: cc waits for it": ("to cc copy", "rcpt", BUSY, [BUSY, OK, OK], D, "R", "later",
                                          "deferred deferred waiting"),
    "cc unknown": ("to cc", "dot", OK, [OK, GONE], A, "L", "", "accepted refused"),
    "cc busy": ("to cc", "dot", OK, [OK, BUSY], D, "R", "try later", "accepted deferred"),
    "no room for cc": ("to cc", "dot", OK, [OK, SPLIT], D, "R", "too many", "accepted waiting"),
    "cc's mailbox is full": ("to cc", "dot", OK, [OK, FULL], D, "R", "full", "accepted deferred"),
    "copy unknown": ("to copy", "dot", OK, [OK, GONE], A, "L", "", "accepted refused"),
    "copy busy": ("to copy", "dot", OK, [OK, BUSY], A, "L", "", "accepted deferred"),
    "no room for the copy": ("to copy", "dot", OK, [OK, SPLIT], A, "L", "", "accepted waiting"),
    "copy busy, then refused": ("to copy", "dot", NEVER, [OK, BUSY], R, "L", "malformed", "refused dropped"),
    "later at the dot: the copy comes again": ("to copy", "dot", LATER, [OK, OK], D, "L", "later", "deferred waiting"),
    "no answer to the dot, one unknown": ("to cc copy", "dot", GONE_DARK, [OK, GONE, OK], DOUBT, "L", "reset",
                                          "in_doubt refused in_doubt"),
    "no answer to the dot, one busy": ("to to", "dot", GONE_DARK, [BUSY, OK], DOUBT, "L", "reset", "deferred in_doubt"),
    # later attempts
    "the rest of the office": ("to:accepted to:deferred copy:accepted", "dot", OK, [OK], A, "L", "",
                               "accepted accepted accepted"),
    "the rest, busy again": ("to:accepted to:deferred", "rcpt", BUSY, [BUSY], D, "R", "later", "accepted deferred"),
    "the rest, unknown in the end": ("to:accepted cc:deferred", "rcpt", GONE, [GONE], A, "R", "", "accepted refused"),
    "the rest, no answer": ("to:accepted cc:deferred", "dot", GONE_DARK, [OK], DOUBT, "L", "reset", "accepted in_doubt"),
    "the rest, nobody could connect": ("to:accepted cc:deferred", "connect", GONE_DARK, [], D, "H", "nothing",
                                       "accepted deferred"),
    "the rest, refused at the dot": ("to:accepted cc:deferred", "dot", NEVER, [OK], A, "L", "", "accepted refused"),
    "sent again by a person": ("to:in_doubt copy:in_doubt", "dot", OK, [OK, OK], A, "L", "", "accepted accepted"),
    "a copy that was answered": ("to:deferred copy:deferred", "dot", OK, [OK], A, "L", "", "accepted deferred"),
    "a copy that was refused": ("to:deferred copy:refused", "dot", OK, [OK], A, "L", "", "accepted refused"),
}  # fmt: skip


def recipients(roles: str) -> tuple[Recipient, ...]:
    """The recipients that a row of the table names: a role each, and with a colon its state so far."""
    found = []
    for number, each in enumerate(roles.split()):
        role, _, state = each.partition(":")
        found.append(Recipient(f"{role}{number}@office.example", Role(role), Standing(state or WAITING)))
    return tuple(found)


@pytest.mark.parametrize(
    ("roles", "stage", "answer", "rcpt", "verdict", "scope", "reason", "states"), LETTERS.values(), ids=LETTERS
)
def test_a_letter_comes_to_what_its_recipients_came_to(roles, stage, answer, rcpt, verdict, scope, reason, states):
    outcome = decide(recipients(roles), Handover(Stage(stage), answer, tuple(rcpt)))
    assert " ".join(recipient.state for recipient in outcome.recipients) == states
    assert (outcome.verdict, outcome.scope) == (verdict, SCOPES[scope])
    assert reason in outcome.reason
    assert bool(outcome.reason) == (verdict is not A)
    assert outcome.stage == stage
    assert outcome.answer.endswith(str(answer)) or outcome.answer in map(str, rcpt)


@pytest.mark.parametrize(
    ("roles", "rcpt", "may"),
    [
        ("to", [OK], True),
        ("to", [Reply(252, "", "")], True),
        ("to", [GONE], False),
        ("to", [BUSY], False),
        ("to cc", [OK, GONE], True),
        ("to cc copy", [GONE, OK, OK], False),
        ("to cc copy", [BUSY, OK, OK], False),
        ("to to", [GONE, OK], True),
        ("to cc", [OK, BYE], False),
        ("to cc", [OK, GONE_DARK], False),
        ("to cc", [OK, Reply(550, "5.4.5", "daily limit")], False),
        ("to copy", [OK, Reply(550, "5.4.5", "daily limit")], True),  # a copy holds no letter up
        ("to:accepted cc", [OK], True),
        ("to:accepted cc:deferred", [BUSY], False),
        ("to:accepted cc copy", [BUSY, OK], True),
        ("to:refused to", [GONE], False),
        ("to:refused cc", [OK], False),
        ("to:accepted", [], False),
    ],
)
def test_a_body_follows_only_where_an_office_takes_it_and_nothing_speaks_against_the_relay(roles, rcpt, may):
    assert may_send(recipients(roles), rcpt) is may


@pytest.mark.parametrize(
    ("roles", "rcpt", "states", "meant"),
    [
        ("to", [OK], "waiting", "to0"),
        ("to cc copy", [OK, GONE, BUSY], "waiting refused deferred", "to0"),
        ("to:accepted cc:deferred copy", [OK, SPLIT], "accepted deferred waiting", "cc1"),
        ("to:refused to", [OK], "refused waiting", "to1"),
    ],
)
def test_before_the_dot_each_recipient_has_what_it_was_told_and_the_rest_is_meant(roles, rcpt, states, meant):
    told, addresses = answered(recipients(roles), rcpt)
    assert " ".join(recipient.state for recipient in told) == states
    assert list(addresses) == [f"{address}@office.example" for address in meant.split()]


def test_a_recipient_carries_the_answer_that_made_its_state():
    taken, unknown = decide(recipients("to cc"), Handover(Stage.DOT, Reply(250, "2.0.0", "queued"), (OK, GONE))).recipients
    assert (taken.reply, unknown.reply) == ("250 2.1.5 ok", "550 5.1.1 no such user")
    (refused,) = decide(recipients("to"), Handover(Stage.DOT, NEVER, (OK,))).recipients
    assert refused.reply == "554 5.6.0 no"


@pytest.mark.parametrize(
    ("stage", "mail", "data"),
    [*((stage, False, False) for stage in BEFORE_MAIL), ("mail", True, False), ("rcpt", True, False), ("data", True, False),
     ("body", True, True), ("dot", True, True)],
)  # fmt: skip
def test_an_outcome_says_how_far_it_came(stage, mail, data):
    outcome = decide(recipients("to"), Handover(Stage(stage), GONE_DARK))
    assert (outcome.reached_mail, outcome.reached_data) == (mail, data)


@pytest.mark.parametrize(("answer", "stage", "goes_on"), [(GO, "data", True), (OK, "data", False), (GO, "mail", False),
                                                          (GONE_DARK, "data", False)])  # fmt: skip
def test_the_body_is_awaited_only_behind_354_to_data(answer, stage, goes_on):
    assert Handover(Stage(stage), answer).goes_on is goes_on


@pytest.mark.parametrize("state", Standing)
@pytest.mark.parametrize("role", Role)
def test_who_is_asked_again(role, state):
    asked = {Standing.WAITING, Standing.IN_DOUBT} if role is COPY else {Standing.WAITING, Standing.IN_DOUBT, Standing.DEFERRED}
    assert Recipient("a@b.example", role, state).is_asked is (state in asked)


NOT_UNDERSTOOD, STAYS_FULL = Reply(503, "5.5.1", "what"), Reply(552, "5.2.2", "full")


@pytest.mark.parametrize(
    ("stage", "answer", "often"), [("data", NOT_UNDERSTOOD, 1), ("body", NOT_UNDERSTOOD, 1), ("dot", NOT_UNDERSTOOD, 1),
                                   ("rcpt", STAYS_FULL, 3)],
)  # fmt: skip
def test_what_is_believed_so_often_is_refused_the_next_time(stage, answer, often):
    letter, came = recipients("to copy"), []
    for _ in range(often + 1):
        came.append(decide(letter, Handover(Stage(stage), answer, (answer if stage == "rcpt" else OK, OK))))
        letter = came[-1].recipients
    assert [outcome.verdict for outcome in came] == [D] * often + [R]
    assert came[-1].reason and came[-1].scope in {Scope.RECIPIENT, Scope.LETTER}
    assert [recipient.state for recipient in letter] == ["refused", "dropped"]


def test_each_reason_is_believed_for_itself():
    letter = recipients("to")
    for answer in (STAYS_FULL, STAYS_FULL, STAYS_FULL):
        letter = decide(letter, Handover(Stage.RCPT, answer, (answer,))).recipients
    outcome = decide(letter, Handover(Stage.DOT, NOT_UNDERSTOOD, (OK,)))
    assert outcome.verdict is D
    (told,), _ = answered(letter, (STAYS_FULL,))
    assert (told.state, told.times) == (Standing.REFUSED, 4)


@pytest.mark.parametrize(
    ("rcpt", "scope", "sign"),
    [
        ([BUSY, Reply(550, "5.4.5", "limit")], "H", Sign.RATE),
        ([FULL, BUSY], "R", Sign.NONE),
        ([FULL, FULL], "R", Sign.FULL),
        ([BUSY, Reply(550, "5.1.8", "bad sender")], "C", Sign.NONE),
        ([BUSY, GONE], "R", Sign.NONE),
    ],
)
def test_of_several_answers_the_weightiest_speaks(rcpt, scope, sign):
    outcome = decide(recipients("to cc"), Handover(Stage.RCPT, rcpt[0], tuple(rcpt)))
    assert (outcome.verdict, outcome.scope, outcome.sign) == (D, SCOPES[scope], sign)


BAD_SENDER, NO_ACCOUNT = Reply(550, "5.1.8", "bad sender"), Reply(530, "5.7.0", "log in")


@pytest.mark.parametrize(
    ("roles", "stage", "answer", "rcpt", "words"),
    [
        ("to to", "rcpt", GONE, [GONE, NO_ACCOUNT], str(NO_ACCOUNT)),
        ("to to", "dot", OK, [BAD_SENDER, OK], f"{BAD_SENDER}; dot: {OK}"),
        ("to to", "dot", OK, [OK, OK], str(OK)),
        ("to to", "dot", NEVER, [BUSY, OK], f"{BUSY}; dot: {NEVER}"),
        ("to to", "dot", LATER, [BUSY, OK], str(LATER)),
        ("to:in_doubt to", "rcpt", BUSY, [GONE, BUSY], str(GONE)),
    ],
)
def test_a_reason_stands_beside_the_words_that_it_is_about(roles, stage, answer, rcpt, words):
    asked = tuple(asked_again(recipient) for recipient in recipients(roles))
    assert decide(asked, Handover(Stage(stage), answer, tuple(rcpt))).answer == words


# Promises for any letter

RECIPIENTS = st.lists(
    st.tuples(st.sampled_from(Role), st.sampled_from([s for s in Standing if s not in {Standing.BOUNCED, Standing.DROPPED}])),
    min_size=1,
    max_size=5,
).map(lambda rows: tuple(Recipient(f"{i}@office.example", role, state) for i, (role, state) in enumerate(rows)))


@st.composite
def attempts(draw):
    """The recipients of a letter that may go, and an attempt that the relay can have made of them."""
    letter = draw(RECIPIENTS)
    asked = sum(recipient.is_asked for recipient in letter)
    assume(asked and any(one.role is TO and (one.is_asked or one.state is Standing.ACCEPTED) for one in letter))
    stage = draw(st.sampled_from([Stage.CONNECT, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT]))
    answer = draw(ANSWER)
    if stage in BEFORE_MAIL or stage is Stage.MAIL:
        assume(judge(stage, answer).verdict is not A)
        return letter, Handover(stage, answer)
    rcpt = tuple(draw(st.lists(ANSWER, min_size=asked, max_size=asked)))
    if stage is Stage.RCPT:
        end = next((i for i, one in enumerate(rcpt) if isinstance(one, Lost) or one.code == 421), None)
        assume(end is not None or not may_send(letter, rcpt))
        assume(end is not None or any(judge(Stage.RCPT, one).verdict is not A for one in rcpt))
        against = next(one for one in rcpt if judge(Stage.RCPT, one).verdict is not A)
        return letter, Handover(stage, against if end is None else rcpt[end], rcpt if end is None else rcpt[: end + 1])
    assume(may_send(letter, rcpt))
    assume(stage is not Stage.DATA or judge(stage, answer).verdict is not A)
    return letter, Handover(stage, answer, rcpt)


@given(attempts())
@example((recipients("to cc"), Handover(Stage.DOT, OK, (OK, BUSY))))
@example((recipients("to cc"), Handover(Stage.RCPT, GONE_DARK, (GONE, GONE_DARK))))
def test_no_attempt_comes_to_more_than_its_answers_say(attempt):
    letter, handover = attempt
    outcome = decide(letter, handover)
    told = iter(handover.rcpt)
    dot = handover.stage is Stage.DOT and judge(Stage.DOT, handover.answer).verdict
    for before, after in zip(letter, outcome.recipients, strict=True):
        assert (before.address, before.role) == (after.address, after.role)
        if not before.is_asked:
            assert after.state in {before.state, Standing.DROPPED}
            continue
        own = next(told, None)
        is_meant = own is not None and judge(Stage.RCPT, own).verdict is A
        assert (after.state is Standing.ACCEPTED) == (is_meant and dot is A), "accepted is 2xx at RCPT and 2xx at the dot"
        assert (after.state is Standing.IN_DOUBT) == (is_meant and dot is DOUBT), "in doubt is the dot alone"


@given(attempts())
def test_a_letter_is_what_its_offices_are(attempt):
    letter, handover = attempt
    outcome = decide(letter, handover)
    offices = [recipient.state for recipient in outcome.recipients if recipient.role is TO]
    assert outcome.verdict in {A, D, R, DOUBT}
    if outcome.verdict is A:
        assert Standing.ACCEPTED in offices
    if outcome.verdict is R:
        assert outcome.scope is not Scope.RELAY
        assert not {Standing.ACCEPTED, Standing.DEFERRED, Standing.WAITING} & set(offices)
        assert not any(recipient.is_asked for recipient in outcome.recipients), "nobody is written to without the office"
    if outcome.verdict is D:
        assert any(recipient.is_asked and recipient.role is not COPY for recipient in outcome.recipients)
    if outcome.verdict is DOUBT:
        assert handover.stage is Stage.DOT
    assert bool(outcome.reason) == (outcome.verdict is not A)


@given(attempts())
def test_a_copy_never_changes_what_a_letter_comes_to(attempt):
    letter, handover = attempt
    without = tuple(recipient for recipient in letter if recipient.role is not COPY)
    asked = [recipient for recipient in letter if recipient.is_asked]
    rcpt = tuple(own for recipient, own in zip(asked, handover.rcpt, strict=False) if recipient.role is not COPY)
    assume(handover.stage not in {Stage.DATA, Stage.BODY, Stage.DOT} or may_send(without, rcpt))
    assume(handover.stage is not Stage.RCPT or any(judge(Stage.RCPT, own).verdict is not A for own in rcpt))
    assert decide(letter, handover).verdict is decide(without, Handover(handover.stage, handover.answer, rcpt)).verdict
