"""
The bytes of a notice: what the campaign writes in its own name, to whom, and by which return path.

    notice (what it says), signature  >  ANNOUNCE (render, compose)  >  courier

A receipt and a digest have no return path, and every notice says that a machine wrote it: no machine is to answer. A trial is
a letter to the last word, but in its address lines: there the organiser stands, so that whoever answers it writes to no office.

In the ledger a signatory or an organiser who gets a notice has no address but a word in its place; only here, and on the wire,
the word is an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import cycle

from mailer import campaign as campaigns
from mailer import desk, notice, pace, plain, signature, specimens
from mailer.address import Address
from mailer.campaign import Campaign, Channel, Reason, Receipts, worded
from mailer.delivery import Due, Fixed, State
from mailer.desk import Desk, Stamp
from mailer.errors import RenderProblem, WireProblem
from mailer.letter import Letter, Mailbox
from mailer.notice import Digest, Lane, Receipt, Standing, Trial
from mailer.outcome import Private, Recipient, Role
from mailer.render import written_date
from mailer.signature import Kind, Signature
from mailer.specimens import FULL, SPECIMEN_DATE, Specimen

SIGNATORY = "signatory"  # in place of the address
_ORGANISER = "organiser "
_EXAMPLES = (
    (Channel.EMAIL, State.ACCEPTED, ""),
    (Channel.EMAIL, State.HELD, Reason.NO_ROUTE),
    (Channel.EMAIL, State.REFUSED, "there is no such mailbox"),
    (Channel.EMAIL, State.IN_DOUBT, ""),
    (Channel.EMAIL, State.CANCELLED, ""),
    (Channel.PHONE, State.BY_HAND, ""),
    (Channel.POST, State.BY_HAND, ""),
    (Channel.POST, State.DONE, ""),
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """
    One notice's bytes and envelope. `at` has the address of each recipient that the ledger knows by a word; `paced` are the
    keys under which it is counted, `private` is what no answer of a server may bring into the ledger.
    """

    wire: bytes = field(repr=False)
    fixed: Fixed
    sender: str
    recipients: tuple[Recipient, ...]
    at: Mapping[str, str] = field(repr=False)
    paced: tuple[str, ...]
    private: Private = field(repr=False)


def announce(at: Desk, due: Due, relay: str, now: int) -> Announcement | str:
    """
    One notice that is due, or why it is not written any more; `now` in seconds since 1970.

    Raises:
        RenderProblem, WireProblem: it cannot be written.
        KeyProblem: the signatory's record, or that of a letter it encloses, is damaged.
        ConfigurationError: nothing can be signed.
    """
    stamp = Stamp(due.message_id, due.fixed.date if due.fixed else now)
    match notice.unpacked(due.target, due.notice):
        case Receipt(letters):
            signed, _ = signature.unpack(at.seal.open(due.sealed))
            return _receipt(at, signed, letters, stamp, relay)
        case Digest() as digest:
            return _digest(at, digest, due.enclosed, stamp, relay)
        case trial:
            return _trial(at, trial, due.letter, stamp, relay)


def domain(at: Desk, due: Due) -> str:
    """
    The domain to which a receipt or a trial goes, as a key of the pace (`@domain`); empty where its lane tells, or nobody.

    Raises:
        KeyProblem: the signatory's record is damaged.
    """
    match notice.unpacked(due.target, due.notice):
        case Receipt():
            return _domain(signature.unpack(at.seal.open(due.sealed))[0].email)
        case Trial(organiser) if organiser in at.campaign.organisers:
            return _domain(at.campaign.organisers[organiser])
        case _:
            return ""


def _domain(address: Address) -> str:
    return pace.keys("", [str(address)])[1]


def language_of_receipts(at: Desk, wished: str) -> str:
    """In which language a signatory gets a receipt: their own if it has a template, else the campaign's."""
    written = [language for language in at.campaign.languages if f"{language}/{notice.TEMPLATE}" in at.renderer.sources]
    return campaigns.understood([wished], written) or at.campaign.default_language


def receipt_letter(at: Desk, signed: Signature, letters: tuple[Standing, ...], stamp: Stamp, language: str) -> Letter:
    """
    A receipt before it is bytes.

    Raises:
        RenderProblem: it cannot be written.
    """
    day = datetime.fromtimestamp(stamp.date, UTC)
    told = [_told(at.campaign, one, language) for one in letters]
    rendered = at.renderer.receipt(
        language,
        {
            "signature": desk.of_signatory(signed, language),
            "campaign": {"title": at.campaign.title, "name": at.campaign.sender.name},
            "today": written_date(day.date(), language),
            "letters": told,
        },
    )
    return _of_the_campaign(at, (Mailbox(signed.name, signed.email),), rendered.subject, rendered.text, language, stamp)


def specimens_of_receipts(at: Desk) -> Iterator[Specimen]:
    """A receipt in each language that has its template, of letters of which each stands otherwise; none where they are off."""
    if at.campaign.receipts is Receipts.OFF:
        return
    targets = cycle(at.campaign.targets)
    told = tuple(Standing(next(targets), channel, state, reason, SPECIMEN_DATE) for channel, state, reason in _EXAMPLES)
    stamp = Stamp(f"<specimen@{at.campaign.sender.address.domain}>", SPECIMEN_DATE)
    for language in at.campaign.languages:
        if f"{language}/{notice.TEMPLATE}" not in at.renderer.sources:
            continue
        for voice in Kind:
            made = Specimen("receipt", language, voice)
            try:
                letter = receipt_letter(at, replace(FULL, kind=voice), told, stamp, language)
                yield replace(made, wire=desk.finished(at, letter)[1])
            except (RenderProblem, WireProblem) as problem:
                yield replace(made, problem=str(problem))


def _receipt(at: Desk, signed: Signature, letters: tuple[Standing, ...], stamp: Stamp, relay: str) -> Announcement:
    letter = receipt_letter(at, signed, letters, stamp, language_of_receipts(at, signed.language))
    fixed, wire = desk.finished(at, letter)
    recipients = (Recipient(SIGNATORY, Role.TO),)
    keys = (*notice.paced(Lane.RECEIPT, relay, at.campaign.id), at.seal.paced(_domain(signed.email)))
    return Announcement(wire, fixed, "", recipients, {SIGNATORY: str(signed.email)}, keys, desk.private(signed))


# What a template sees of a letter's state; one that is for a person to do is called by its channel.
_WORDS: Mapping[State, str] = {
    State.ACCEPTED: "accepted",
    State.REFUSED: "refused",
    State.BOUNCED: "refused",
    State.EXPIRED: "refused",
    State.CANCELLED: "cancelled",
    State.IN_DOUBT: "doubt",
    State.DONE: "done",
}


# Why a letter waits, in a signatory's words; what else may hold one is for the campaign to know.
_WHY: Mapping[str, str] = {
    Reason.NO_ROUTE: "no address of it is known yet",
    Reason.NOT_CONFIRMED: "its address is being looked up",
    Reason.CLOSED: "it takes no letters just now",
    Reason.ADDRESS_REFUSED: "its address does not work, and another is looked for",
}


def _told(campaign: Campaign, one: Standing, language: str) -> dict[str, str]:
    """One letter as the template of receipts sees it."""
    target = campaign.targets.get(one.target)
    state = State(one.state)
    return {
        "target": worded(target.name, language) if target else one.target,
        "state": one.channel if state is State.BY_HAND else _WORDS.get(state, "waiting"),
        "why": plain.told(_WHY.get(one.reason, one.reason if _WORDS.get(state) == "refused" else ""), language),
        "phone": target.phone if target else "",
        "on": written_date(datetime.fromtimestamp(one.at, UTC).date(), language) if one.at else "",
    }


def _digest(at: Desk, digest: Digest, enclosed: tuple[Due, ...], stamp: Stamp, relay: str) -> Announcement:
    to = at.campaign.digest_to
    names, texts = [], []
    for due in enclosed:
        signed, _ = signature.unpack(at.seal.open(due.sealed))
        names.append(signed)
        texts.append(_enclosed(at, due, signed))
    text = "\n".join([*_counted(at, digest), *(line for lines in texts for line in lines), ""])
    days = digest.first if digest.first == digest.last else f"{digest.first} to {digest.last}"
    accepted = sum(digest.accepted.values())
    subject = f"{at.campaign.id}: {accepted} letter{'' if accepted == 1 else 's'} accepted, {days}"
    mailboxes = tuple(Mailbox("", address) for address in to)
    fixed, wire = desk.finished(at, _of_the_campaign(at, mailboxes, subject, text, "en", stamp))
    keys = pace.keys(relay, map(str, to))
    recipients = tuple(Recipient(str(address), Role.TO) for address in to)
    return Announcement(wire, fixed, "", recipients, {}, keys, _all_private(names))


def _counted(at: Desk, digest: Digest) -> Iterator[str]:
    days = f"On {digest.first}" if digest.first == digest.last else f"From {digest.first} to {digest.last}"
    yield f"{days} (UTC), {at.campaign.title}:"
    yield ""
    yield f"Signatures taken in: {digest.signatures}"
    yield f"Letters accepted by the mail server: {sum(digest.accepted.values())}"
    for target, count in sorted(digest.accepted.items()):
        known = at.campaign.targets.get(target)
        yield f"  {worded(known.name, 'en') if known else target}: {count}"
    yield ""
    yield "Where all letters stood when this was written:"
    for state in State:
        if state in digest.standing:
            yield f"  {str(state).replace('_', ' ')}: {digest.standing[state]}"
    if digest.letters:
        yield ""
        yield "The first of those accepted, as they went out:"


def _enclosed(at: Desk, due: Due, signed: Signature) -> Iterator[str]:
    """A letter that went out, if the same words can be written today as then."""
    yield ""
    yield "-" * 60
    target, fixed = at.campaign.targets.get(due.target), due.fixed
    try:
        if target is None or fixed is None:
            raise RenderProblem("its target is not configured any more")
        route = campaigns.route(at.campaign, target, due.country, live=at.is_live)
        letter = desk.letter_of(at, target, route, signed, Stamp(due.message_id, fixed.date, fixed.language))
        if desk.finished(at, letter)[0].sha256 != fixed.sha256:
            raise RenderProblem("its template, its target or its sender was changed since")
    except (RenderProblem, WireProblem) as problem:
        yield f"Letter {due.letter} cannot be shown: {problem}"
        return
    yield f"Letter {due.letter}"
    yield f"From: {letter.sender.name} <{letter.sender.address}>"
    yield f"To: {', '.join(f'{each.name} <{each.address}>' for each in letter.to)}"
    yield f"Subject: {letter.subject}"
    yield ""
    yield from letter.text.rstrip("\n").split("\n")


def _all_private(people: list[Signature]) -> Private:
    """What is personal of several people: each field of each as it stands by itself."""
    fields = [text for one in people for text in (one.name, one.organisation, one.role, one.city, one.postal_address)]
    wholes = [text for one in people for text in (str(one.email), one.email.domain)]
    return Private([*fields, *(one.email.local for one in people)], wholes, "\n".join(one.message for one in people))


def _trial(at: Desk, trial: Trial, number: int, stamp: Stamp, relay: str) -> Announcement | str:
    target, address = at.campaign.targets.get(trial.target), at.campaign.organisers.get(trial.organiser)
    if target is None or address is None:
        return f"the campaign has no such {'organiser' if target else 'target'} any more"
    letter = specimens.letter(at, target, trial.language, Kind(trial.voice), stamp)
    place = f"{trial.number} of {trial.of}: {trial.target}, {trial.language}, {trial.voice}"
    letter = replace(
        letter,
        to=(Mailbox(f"Trial {place}", address),),
        cc=(),
        reply_to=Mailbox(at.campaign.sender.name, at.campaign.sender.address),
        is_automatic=True,
    )
    fixed, wire = desk.finished(at, letter)
    word = _ORGANISER + trial.organiser
    sender = desk.return_path(at, number, stamp.date)
    keys = (*notice.paced(Lane.TRIAL, relay, at.campaign.id), at.seal.paced(_domain(address)))
    return Announcement(wire, fixed, sender, (Recipient(word, Role.TO),), {word: str(address)}, keys, desk.private(FULL))


def _of_the_campaign(at: Desk, to: tuple[Mailbox, ...], subject: str, text: str, language: str, stamp: Stamp) -> Letter:
    """A notice in the campaign's own name."""
    return Letter(
        sender=Mailbox(at.campaign.sender.name, at.campaign.sender.address),
        reply_to=None,
        to=to,
        cc=(),
        subject=subject,
        text=text,
        language=language,
        date=datetime.fromtimestamp(stamp.date, UTC),
        message_id=stamp.message_id,
        evidence=at.seal.evidence(stamp.message_id),
        is_automatic=True,
    )
