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
_NO = {"no", "n", "false", "0", "off", "нет", "ложь", "non", "faux", "nein", "falsch", "falso", "жоқ", "жалған",
       "unchecked"}  # fmt: skip
_REFUSED = {"declined", "refused", "отказ"}
_BEGINS_NO = {"no", "нет", "non", "nein", "жоқ"}
# How a yes of several words begins. It counts if none of the words behind it denies.
_BEGINS_YES = re.compile(
    r"(?:yes|да|ja|oui|sí|иә|si (?:acepto|estoy|doy|consiento|autorizo)|(?:i )?agree|i (?:consent|accept|give my consent)"
    r"|i hereby (?:agree|consent|accept|authori[sz]e|give)|consent given|я соглас(?:ен|на)|(?:я )?даю соглас(?:ие|ен|на)"
    r"|ich stimme zu|ich willige ein|ich bin (?:damit )?einverstanden|j accepte|je consens|je donne mon consentement"
    r"|je suis d accord|j autorise|d accord|estoy de acuerdo|doy mi consentimiento|de acuerdo|acepto|autorizo|consiento"
    r"|(?:мен )?келісемін|(?:мен )?келісім беремін)\b"
)
_DENIES = re.compile(
    r"\b(?:0|off|t|no|not|non|none|nope|never|nothing|cannot|dont|false|without|unless|except|only|but|if|unchecked|pending"
    r"|later|maybe|perhaps|withdr\w+|revo[kc]\w+|refus\w+|declin\w+|disagree\w*|object(?:s|ed)?|reject\w*|cancel\w*"
    r"|unsubscri\w+|не|нет|ни|но|никогда|никакого|ложь|без|если|только|кроме|против|отказ\w*|отзыв\w*|отозв\w*|отмен\w*"
    r"|возража\w*|nicht|nichts|kein\w*|nie|niemals|nein|falsch|ohne|aber|nur|wenn|falls|lehne|abgelehnt|widerspr\w*"
    r"|widerruf\w*|verweiger\w*|ne|n|pas|jamais|aucun\w*|faux|sans|sauf|mais|seulement|retir\w*|révoqu\w*|nunca|ningún"
    r"|ningun\w*|falso|sin|pero|sólo|solo|excepto|rechaz\w*|nieg\w*|niego|жоқ|емес|жалған|бірақ|тек|қарсы|\w+[мпб][ае]й\w*"
    r"|бас тарт\w*)\b"
)
# What else people are asked to agree to: no yes to a letter, unless it speaks of the letter too.
_ELSE = re.compile(r"newsletter|privacy|рассылк|datenschutz|infolettre|confidentialit|boletín|privacidad")
_LETTER = re.compile(r"\bletters?\b|письм|brief|schreiben|\blettres?\b|\bcartas?\b|\bхат")
_CONFIRMED = {"confirmed", "email confirmed", "подтвержден", "подтверждён", "подтверждена", "подтверждено", "подтверждены",
              "bestätigt", "confirmé", "confirmée", "confirmado", "confirmada", "расталды"}  # fmt: skip
_DONE_YES = {"yes", "y", "true", "1", "x", "on", "ok", "checked", "да", "истина", "ja", "wahr", "oui", "vrai", "sí", "si",
             "verdadero", "иә", "ақиқат"}  # fmt: skip
_PLAIN = {"yes", "no", "true", "false", "yes please", "no thanks", "no thank you", "да", "нет", "нет спасибо", "да конечно",
          "ja", "nein", "ja bitte", "nein danke", "oui", "non", "non merci", "oui merci", "sí", "no gracias", "иә", "жоқ",
          "жоқ рахмет"}  # fmt: skip
_LONGEST_PLAIN = 30
_NOTHING = {"", "never", "null", "none", "nil", "nan", "n a", "not yet", "0000 00 00", "0000 00 00 00 00 00", "нет данных"}
_NOBODY = {"na", "anonymous", "anon", "anonym", "anonyme", "anónimo", "unknown", "no name", "noname", "test", "testing",
           "tester", "аноним", "анонимно", "неизвестно", "без имени", "нет имени", "тест", "unbekannt",
           "inconnu"}  # fmt: skip
_WRITTEN_TO = re.compile(r"\S@\S+\.\S|://|\bwww\.", re.IGNORECASE)
_NOT_CONFIRMED = {"unconfirmed", "not confirmed", "pending", "не подтверждено", "не подтверждена", "не подтвержден",
                  "nicht bestätigt", "non confirmé", "no confirmado"}  # fmt: skip
_NOT_WITHDRAWN = {"not withdrawn", "not unsubscribed", "не отозвано", "не отозвана", "не отписан", "не отписана",
                  "nicht widerrufen", "nicht abgemeldet", "non retiré", "no retirado"}  # fmt: skip
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

    A sentence that denies anything, or asks, is no yes: whoever is in doubt gets no letter sent in their name.

    >>> agrees("Да"), agrees("I agree that a letter is sent in my name"), agrees("Nein, danke"), agrees("maybe"), agrees("✓")
    (True, True, False, None, True)
    >>> agrees("I agree: no"), agrees("On hold"), agrees("Ich stimme nicht zu")
    (None, None, None)
    """
    word = _word(text)
    if word in _NO or word in _REFUSED or word.split(" ", 1)[0] in _BEGINS_NO:
        return False
    if "?" in text:
        return None
    return True if word in _YES or text.strip() in _TICKS or _says_yes(word) else None


def is_confirmed(text: str) -> bool | None:
    """
    Whether an answer says that somebody confirmed: a yes, or its own word, and nothing behind. None is neither.

    >>> is_confirmed("Подтверждено"), is_confirmed("-"), is_confirmed("Confirmed: no"), is_confirmed("2011-09-30")
    (True, False, None, None)
    """
    word = _word(text)
    if text.strip() in _TICKS or ("?" not in text and (word in _DONE_YES or word in _CONFIRMED)):
        return True
    return False if word in _NO or word in _NOTHING or word in _NOT_CONFIRMED else None


def is_withdrawn(text: str) -> bool:
    """
    Whether an answer says that somebody withdrew: whatever is no clear no does, in any words and with any date.

    >>> is_withdrawn("03/04/2026"), is_withdrawn("asked by phone"), is_withdrawn("no"), is_withdrawn("-")
    (True, True, False, False)
    """
    word, text = _word(text), text.strip()
    if not word:
        return text in _TICKS or "?" in text
    return not (word in _NO or word in _NOTHING or word in _NOT_WITHDRAWN)


def is_yes_or_no(text: str) -> bool:
    """
    Whether a text is a plain yes or no, which no name, organisation or message is.

    >>> is_yes_or_no("No thanks"), is_yes_or_no("Да"), is_yes_or_no("No more arrests!"), is_yes_or_no("Y")
    (True, True, False, False)
    """
    return len(text) <= _LONGEST_PLAIN and _word(text) in _PLAIN


def is_no_name(name: str) -> bool:
    """
    Whether a name says that there is none, or holds an e-mail or web address, which in a letter would be an advertisement.

    >>> is_no_name("N/A"), is_no_name("Аноним"), is_no_name("Anonymous Bosch"), is_no_name("Na Hye-seok")
    (True, True, False, False)
    >>> is_no_name("jane@example.org"), is_no_name("Jane https://x.example"), is_no_name("Jane @ Home")
    (True, True, False)
    """
    return bool(_WRITTEN_TO.search(name)) or (len(name) <= _LONGEST_PLAIN and _word(name) in _NOBODY | _NOTHING - {""})


def _says_yes(word: str) -> bool:
    """Whether a text of several words begins with a yes and takes nothing of it back."""
    if not _BEGINS_YES.match(word) or _DENIES.search(word):
        return False
    return not _ELSE.search(word) or bool(_LETTER.search(word))


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
