"""
What people answer in a form: yes and no, a person or an organisation, a language.

    columns > ANSWERS > signature

In English, Russian, German, French, Spanish and Kazakh, without regard to case and punctuation. What is none of the known
answers is neither yes nor no: silence and "maybe" are no consent.
"""

from __future__ import annotations

import re

_PERSON = {"", "person", "individual", "private person", "человек", "физическое лицо", "частное лицо", "лицо",
           "privatperson", "einzelperson", "particulier", "personne", "persona", "particular", "жеке тұлға"}  # fmt: skip
_ORGANISATION = {"organisation", "organization", "org", "union", "trade union", "организация", "юридическое лицо",
                 "verein", "verband", "gewerkschaft", "organisme", "association", "syndicat", "organización", "asociación",
                 "sindicato", "ұйым"}  # fmt: skip
_TICKS = {"✓", "✔", "☑", "✅", "+", "🗹", "√"}
_YES = {"yes", "y", "true", "1", "x", "on", "ok", "agree", "agreed", "accept", "accepted", "checked", "consented", "granted",
        "да", "согласен", "согласна", "истина", "ja", "wahr", "einverstanden", "zugestimmt", "akzeptiert", "oui", "vrai",
        "accepté", "accepte", "sí", "si", "verdadero", "acepto", "aceptado", "иә", "ақиқат", "келісемін"}  # fmt: skip
_NO = {"no", "n", "false", "0", "off", "нет", "ложь", "non", "faux", "nein", "falsch", "falso", "жоқ", "жалған", "declined",
       "refused", "unchecked", "отказ"}  # fmt: skip
_AGREES = (
    *("i agree", "i consent", "i accept", "i give my consent", "i hereby", "consent given", "я соглас", "я даю соглас"),
    *("даю соглас", "ich stimme zu", "ich willige ein", "ich bin einverstanden", "ich bin damit einverstanden"),
    *("j accepte", "je consens", "je donne mon consentement", "je suis d accord", "j autorise", "d accord"),
    *("estoy de acuerdo", "doy mi consentimiento", "de acuerdo", "autorizo", "consiento"),
    *("мен келісемін", "келісім беремін", "мен келісім беремін"),
)
_DONE = ("confirmed", "withdrawn", "unsubscribed", "подтвержд", "отозван", "отписан", "bestätigt", "widerrufen", "abgemeldet",
         "confirmé", "confirmad", "retiré", "désinscrit", "retirad", "расталды")  # fmt: skip
_LANGUAGES = {
    **dict.fromkeys(("english", "английский", "englisch", "anglais", "inglés", "ағылшын", "ағылшынша"), "en"),
    **dict.fromkeys(("russian", "русский", "на русском", "russisch", "russe", "ruso", "орыс", "орысша"), "ru"),
    **dict.fromkeys(("german", "немецкий", "deutsch", "allemand", "alemán", "неміс", "немісше"), "de"),
    **dict.fromkeys(("french", "французский", "französisch", "français", "francés", "француз", "французша"), "fr"),
    **dict.fromkeys(("spanish", "испанский", "spanisch", "espagnol", "español", "castellano", "испан", "испанша"), "es"),
    **dict.fromkeys(("kazakh", "казахский", "kasachisch", "kazakh", "kazajo", "қазақ", "қазақша", "қазақ тілі"), "kk"),
}


def agrees(text: str) -> bool | None:
    """
    Whether somebody consents: a yes, or the sentence itself that a form writes when its box is ticked. None is neither.

    >>> agrees("Да"), agrees("I agree that a letter is sent in my name"), agrees("Nein, danke"), agrees("maybe"), agrees("✓")
    (True, True, False, None, True)
    """
    word = _word(text)
    first = word.split(" ", 1)[0]
    if word in _NO or first in _NO:
        return False
    return True if word in _YES or first in _YES or text.strip() in _TICKS or word.startswith(_AGREES) else None


def is_done(text: str) -> bool | None:
    """
    Whether an answer says that something was done: a yes, or its own word. None is neither; nothing is a no.

    >>> is_done("Подтверждено"), is_done("unsubscribed by email"), is_done("-"), is_done("2011-09-30")
    (True, True, False, None)
    """
    word = _word(text)
    if not word:
        return text.strip() in _TICKS
    return True if word.startswith(_DONE) else agrees(text)


def who_signs(text: str) -> tuple[bool, bool]:
    """
    Whether an answer speaks of a person, and whether of an organisation; no answer is a person.

    >>> who_signs(""), who_signs("On behalf of our union"), who_signs("a person for an organisation")
    ((True, False), (False, True), (True, True))
    """
    word = _word(text)
    if word in _PERSON or word in _ORGANISATION:
        return word in _PERSON, word in _ORGANISATION
    words = set(word.split())
    return bool(words & _PERSON), bool(words & _ORGANISATION)


def language(text: str) -> str:
    """
    Read a language as its code; empty where it is none that is known.

    >>> language("ru_RU"), language("English (UK)"), language("Klingon")
    ('ru', 'en', '')
    """
    word = _word(text.replace("_", " "))
    first = word.split(" ", 1)[0]
    tag = first if re.fullmatch(r"[a-z]{2,3}", first) else ""
    return _LANGUAGES.get(word) or _LANGUAGES.get(first, tag)


def _word(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text).split()).casefold()
