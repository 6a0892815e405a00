"""
What became of one attempt to hand a letter to the relay.

    spool > intake > signature > letter > courier > OUTCOME > report

An attempt ends in one of four ways: *accepted* (2xx to the dot), *deferred* (may work later), *refused* (never will)
and *in doubt* (the dot may have gone out and nobody answered). Each reply is judged by the first row of a table that
fits it: stage, code, enhanced code, pattern → class and scope. The scope says whose matter it is: one recipient's, the
letter's, the campaign's or the relay's. What is the relay's never refuses a letter.

*Accepted* is the relay's promise, not the target's inbox: a letter can still come back as a DSN.
It only judges: it opens no connection and reads no clock; when to try again is for `delivery` to decide.
RFC 5321 4.2 (replies), RFC 3463 (enhanced codes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mailer.outcome.judging import ACCOUNT_REFUSED, MALFORMED, TABLE, Rule, judge, own
from mailer.outcome.private import Private, without
from mailer.outcome.recipient import EARLIER, Recipient, Role, Standing, accepted, asked_again, dropped, of_the_letter, refused
from mailer.outcome.reply import BEFORE_MAIL, LEGIBLE, Judgement, Lost, Reply, Scope, Sign, Stage, Verdict

__all__ = [
    "ACCOUNT_REFUSED",
    "BEFORE_MAIL",
    "EARLIER",
    "LEGIBLE",
    "MALFORMED",
    "TABLE",
    "Handover",
    "Judgement",
    "Lost",
    "MaySend",
    "Outcome",
    "Private",
    "Recipient",
    "Reply",
    "Role",
    "Rule",
    "Scope",
    "Sign",
    "Stage",
    "Standing",
    "Verdict",
    "accepted",
    "answered",
    "asked_again",
    "decide",
    "discreet",
    "dropped",
    "judge",
    "may_send",
    "of_the_letter",
    "own",
    "own_matter",
    "scrubbed",
    "without",
]


@dataclass(frozen=True, slots=True)
class Handover:
    """
    How far one attempt came: the step it ended at, the answer that ended it, and each asked recipient's own answer.

    `rcpt` has one answer for each recipient asked, in the envelope's order, or is empty if none was.
    """

    stage: Stage
    answer: Reply | Lost
    rcpt: tuple[Reply | Lost, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether the server waits for the body (354 to DATA)."""
        return self.stage is Stage.DATA and isinstance(self.answer, Reply) and self.answer.code == 354


# Asked with the answers to RCPT, in order: may the body follow?
MaySend = Callable[[Sequence[Reply | Lost]], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What an attempt came to, for the letter and for each of its recipients.

    `sign` and `pause` are of the judgement that made the verdict (see `Judgement`), `answer` is the reply that the reason is
    about; where another one ended the attempt behind it, its step and words follow. `attempt` is what the attempt itself came
    to, where the letter is in doubt from before; `gone` are the addresses, but copies, of which the server said that there is
    no such mailbox.
    """

    verdict: Verdict
    scope: Scope
    reason: str
    recipients: tuple[Recipient, ...]
    stage: Stage
    answer: str
    sign: Sign = Sign.NONE
    pause: int = 0
    attempt: Verdict | None = None
    gone: tuple[str, ...] = ()

    @property
    def reached_mail(self) -> bool:
        """Whether the relay was asked about this letter at all; before that no try is counted."""
        return self.stage not in BEFORE_MAIL

    @property
    def is_denied(self) -> bool:
        """Whether the relay gave us no connection, which may be about how many we have."""
        return self.stage in {Stage.CONNECT, Stage.GREETING} and self.reason != ACCOUNT_REFUSED

    @property
    def answered_mail(self) -> bool:
        """Whether the relay showed that it works: its answer to MAIL let us go on, or was a "not now" about the letter."""
        is_beyond = self.reached_mail and self.stage is not Stage.MAIL
        return is_beyond or (self.stage is Stage.MAIL and self.scope is Scope.LETTER and self.verdict is Verdict.DEFERRED)

    @property
    def reached_data(self) -> bool:
        """Whether bytes of the letter may have left; from then on its bytes are fixed."""
        return self.stage in {Stage.BODY, Stage.DOT}


def answered(
    recipients: Sequence[Recipient], rcpt: Sequence[Reply | Lost], table: Sequence[Rule] = TABLE
) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    """The recipients with what each was told at RCPT so far, and the addresses that the body is meant for."""
    answers = iter(rcpt)
    told = []
    meant = []
    for recipient in recipients:
        own = next(answers, None) if recipient.is_asked else None
        said = judge(Stage.RCPT, own, table) if own is not None else None
        if said is None or said.verdict is Verdict.ACCEPTED:
            told.append(recipient)
        else:
            told.append(_told(recipient, said, own))
        if said is not None and said.verdict is Verdict.ACCEPTED:
            meant.append(recipient.address)
    return tuple(told), tuple(meant)


def may_send(recipients: Sequence[Recipient], rcpt: Sequence[Reply | Lost], table: Sequence[Rule] = TABLE) -> bool:
    """Whether the body may follow: a `to` is accepted, now or before, and no answer to an office was about the relay."""
    asked = [recipient for recipient in recipients if recipient.is_asked]
    judged = [judge(Stage.RCPT, answer, table) for answer in rcpt]
    # What a server says of a copy is about that mailbox, whatever its words; it holds no letter up.
    if any(one.scope is Scope.RELAY for r, one in zip(asked, judged, strict=True) if r.role is not Role.COPY):
        return False
    now = {r.address for r, one in zip(asked, judged, strict=True) if one.verdict is Verdict.ACCEPTED}
    reached = any(r.role is Role.TO and (r.state is Standing.ACCEPTED or r.address in now) for r in recipients)
    return reached and bool(now)


def decide(recipients: Sequence[Recipient], handover: Handover, table: Sequence[Rule] = TABLE) -> Outcome:
    """
    Decide what an attempt came to.

    `recipients` are all of the letter's; those already accepted or refused were not asked. The letter is in doubt if any
    recipient is; else deferred while a `to` or cc may still work; else accepted if a `to` was; else refused. A copy
    never changes it, and where no `to` can be reached cc and copy are dropped: they are never written to alone.
    """
    gone = tuple(
        r.address
        for r, own in _heard(recipients, handover)
        if r.role is not Role.COPY and judge(Stage.RCPT, own, table).sign is Sign.ADDRESS
    )
    return replace(_decided(recipients, handover, table), gone=gone)


def _decided(recipients: Sequence[Recipient], handover: Handover, table: Sequence[Rule]) -> Outcome:
    ended = judge(handover.stage, handover.answer, table)
    answers = iter(handover.rcpt)
    after = [_after(r, next(answers, None), handover, ended, table) if r.is_asked else r for r in recipients]
    verdict = of_the_letter(after)
    if verdict is Verdict.REFUSED:
        after = [dropped(recipient) for recipient in after]
        verdict = of_the_letter(after)
    if verdict is Verdict.ACCEPTED:
        return Outcome(verdict, ended.scope, "", tuple(after), handover.stage, str(handover.answer))
    if verdict is Verdict.IN_DOUBT and ended.verdict is not verdict:
        return _in_doubt_still(recipients, after, handover, ended, table)
    if handover.stage is Stage.RCPT or (verdict is Verdict.DEFERRED and ended.verdict is not verdict):
        said, answer = _told_by_the_recipients(recipients, handover, verdict, table) or (ended, str(handover.answer))
    else:
        said, answer = ended, str(handover.answer)
    return Outcome(verdict, said.scope, said.reason, tuple(after), handover.stage, answer, said.sign, said.pause)


def _in_doubt_still(
    before: Sequence[Recipient], after: Sequence[Recipient], handover: Handover, ended: Judgement, table: Sequence[Rule]
) -> Outcome:
    """A resend was refused, which says nothing of the dot that went before it: the reason tells both."""
    is_by_recipients = handover.stage is Stage.RCPT or ended.verdict is not Verdict.REFUSED
    told = _told_by_the_recipients(before, handover, Verdict.REFUSED, table) if is_by_recipients else None
    said, answer = told or (ended, str(handover.answer))
    reason, came_to = f"{said.reason}; {EARLIER}", Verdict.REFUSED if handover.stage is Stage.RCPT else ended.verdict
    return Outcome(Verdict.IN_DOUBT, ended.scope, reason, tuple(after), handover.stage, answer, said.sign, ended.pause, came_to)


def _after(
    recipient: Recipient, own: Reply | Lost | None, handover: Handover, ended: Judgement, table: Sequence[Rule]
) -> Recipient:
    """One asked recipient after an attempt: its own answer counts where it has one, else the answer that ended it all."""
    said = judge(Stage.RCPT, own, table) if own is not None else None
    is_meant = said is not None and said.verdict is Verdict.ACCEPTED
    if said and not is_meant and said.scope is not Scope.RELAY:
        return _told(recipient, said, own)
    if handover.stage is Stage.DOT and is_meant and ended.verdict is Verdict.ACCEPTED:
        return accepted(recipient, str(own))
    if ended.at_most is not None and is_meant and recipient.role is not Role.COPY:
        return _told(recipient, ended, handover.answer)
    if ended.verdict is Verdict.REFUSED and handover.stage is not Stage.RCPT:
        return refused(recipient, str(handover.answer))
    if ended.verdict is Verdict.IN_DOUBT and is_meant:
        return replace(recipient, state=Standing.IN_DOUBT, reply=str(handover.answer))
    # Nothing was taken. A copy that never had an answer of its own is asked again with the next attempt.
    return replace(recipient, state=Standing.WAITING if recipient.role is Role.COPY else Standing.DEFERRED, reply="")


def _told(recipient: Recipient, said: Judgement, answer: Reply | Lost | None) -> Recipient:
    """A recipient with an answer that is not yes; one that was believed `at_most` so many times is taken for a refusal."""
    if said.at_most is not None:
        times = recipient.times + 1 if recipient.why == said.reason else 1
        recipient = replace(recipient, why=said.reason, times=times)
    if said.verdict is Verdict.REFUSED if said.at_most is None else recipient.times > said.at_most:
        return refused(recipient, str(answer))
    state = Standing(said.verdict.value) if said.at_most is None else Standing.DEFERRED
    return replace(recipient, state=state, reply=str(answer))


def _told_by_the_recipients(
    recipients: Sequence[Recipient], handover: Handover, verdict: Verdict, table: Sequence[Rule]
) -> tuple[Judgement, str] | None:
    """
    Where the answers to RCPT made the letter's verdict, the reason and the words are of the first that did.

    Copies make none, unless one ended the connection. What is the relay's or the campaign's matter goes before; a full mailbox
    goes last, because the others need not wait so long.
    """
    heard = [
        (judge(Stage.RCPT, answer, table), _words(answer, handover))
        for recipient, answer in _heard(recipients, handover)
        if recipient.role is not Role.COPY or isinstance(answer, Lost) or answer.code == 421
    ]
    if verdict is Verdict.REFUSED:
        refused = [one for one in heard if one[0].verdict is Verdict.REFUSED]
        return next(iter(refused or [one for one in heard if one[0].at_most is not None]), None)
    return min((one for one in heard if one[0].verdict in {Verdict.DEFERRED, Verdict.WAITING}), key=_weight, default=None)


def _heard(recipients: Sequence[Recipient], handover: Handover) -> Iterator[tuple[Recipient, Reply | Lost]]:
    """Who was asked and answered at RCPT, with the answer."""
    return zip((recipient for recipient in recipients if recipient.is_asked), handover.rcpt, strict=False)


def _weight(one: tuple[Judgement, str]) -> tuple[bool, ...]:
    said, _ = one
    return said.scope is not Scope.RELAY, said.scope is not Scope.CAMPAIGN, said.sign is Sign.FULL


def _words(answer: Reply | Lost, handover: Handover) -> str:
    """An answer to RCPT, and behind it the one that ended the attempt later, which is the evidence of what was taken."""
    return str(answer) if handover.stage is Stage.RCPT else f"{answer}; {handover.stage}: {handover.answer}"


def own_matter(result: Outcome) -> Outcome:
    """
    The outcome of what is no letter: once the relay has let us in, whatever it says of a notice is that notice's own matter.

    Relays that take no null return path refuse every receipt, and no letter must stand still for it. A limit that the relay
    names is the relay's all the same, and so is a 421; a connection lost behind its welcome may be lost for the notice.
    """
    is_relays = not result.reached_mail or result.pause or result.answer.startswith("421")
    return result if is_relays or result.scope is Scope.LETTER else replace(result, scope=Scope.LETTER)


def discreet(result: Outcome, handover: Handover, private: Private) -> Outcome:
    """An outcome free of what is personal; our own words stay in its reason, for it is compared with and selected by."""
    reason = result.reason
    for answer in sorted(map(str, (handover.answer, *handover.rcpt)), key=len, reverse=True):  # one may begin as another does
        reason = reason.replace(answer, without(answer, private))
    told = scrubbed(result.recipients, private)
    return replace(result, reason=reason, answer=without(result.answer, private), recipients=told)


def scrubbed(recipients: Sequence[Recipient], private: Private) -> tuple[Recipient, ...]:
    """Recipients whose replies are free of what is personal."""
    return tuple(replace(recipient, reply=without(recipient.reply, private)) for recipient in recipients)
