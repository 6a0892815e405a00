"""
The sender of a campaign's letters: always an address of the campaign's own.

Receivers ask the domain in From whether a letter is from there (SPF, DKIM, DMARC). A letter that says it is from a signatory's
domain, and comes from the campaign's relay, is forged in their eyes. So a signatory's name stands in From and the address is
the campaign's; no key can change that, and an address at a provider of mailboxes, where signatories have theirs, is refused.
"""

from __future__ import annotations

import re

from mailer.address import Address
from mailer.campaign import Sender
from mailer.config.keys import Key, Part
from mailer.config.section import Section
from mailer.config.values import email, shape_of, shown, text

TOKEN = "{token}"  # noqa: S105 - a place in an address, no secret

_LONGEST_TOKEN = "x" * 32  # as `seal.token` makes it, with room
_NOBODY = Address("", "")
_ALWAYS = "letters are from the campaign's own address, with the signatory's name beside it and replies to the signatory"
_A_SIGNATORYS = re.compile(r"[{}%<>]|^(signature|signatory|signer|supporter)\b", re.IGNORECASE)
# The largest ones; a campaign has no say in what their DNS says of letters.
_PROVIDERS = """
163.com 126.com abv.bg aol.com bk.ru btinternet.com fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de
gmx.net googlemail.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr hotmail.it icloud.com inbox.ru interia.pl laposte.net
libero.it list.ru live.com mac.com mail.com mail.ru me.com msn.com naver.com o2.pl onet.pl orange.fr outlook.com outlook.de
pm.me proton.me protonmail.com qq.com rambler.ru rediffmail.com seznam.cz sina.com t-online.de tutanota.com ukr.net web.de
wp.pl ya.ru yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.fr yahoo.it yandex.com yandex.kz
yandex.ru zoho.com
"""


def read(section: Section) -> Sender:
    """Read `sender:` of a campaign."""
    section.need(*SENDER.needed)
    for key in ("from", "from_address", "from_domain"):
        section.refuse(key, f"{_ALWAYS}; there is nothing to choose")
    sender = Sender(
        name=section.one(NAME),
        address=section.one(ADDRESS),
        bounce_address=section.one(BOUNCE_ADDRESS),
    )
    section.close()
    return sender


def _own_address(written: str) -> Address:
    if _A_SIGNATORYS.search(written):
        raise ValueError(f"{shown(written)} would be the signatory's; {_ALWAYS}")
    address = email(written)
    if address.domain in _PROVIDERS.split():
        said = "signatories have mailboxes there, and receivers take what comes from elsewhere in its name for forged (DMARC)"
        raise ValueError(f"{shown(address.domain)} is not the campaign's own: {said}; use an address in a domain that you keep")
    return address


def _bounce_address(written: str) -> str:
    local, _, domain = written.rpartition("@")
    if local.count(TOKEN) != 1 or TOKEN in domain:
        raise ValueError(f"must hold {TOKEN} once, before the @, like bounces+{TOKEN}@campaign.example")
    try:
        email(written.replace(TOKEN, _LONGEST_TOKEN))
    except ValueError:
        raise ValueError(f"{shown(written)} is no e-mail address, whatever stands for {TOKEN}") from None
    return written


NAME = Key("name", text, "", "The campaign's name in the From of each letter, behind the signatory's.", required=True)
ADDRESS = Key(
    "address",
    _own_address,
    _NOBODY,
    "The address that letters come from, in a domain of the campaign's own; replies go to the signatory.",
    required=True,
    shape=shape_of(email),
)
BOUNCE_ADDRESS = Key(
    "bounce_address",
    _bounce_address,
    "",
    f"Where letters that are returned go to, with {TOKEN} before the @, as in bounces+{TOKEN}@campaign.example.",
    shape={"type": "string", "pattern": r"[^@{}]*\{token\}[^@{}]*@[^@{}]+\.[^@{}]+"},
)
SENDER = Part("sender", "From whom the letters are.", (NAME, ADDRESS, BOUNCE_ADDRESS), required=True)
