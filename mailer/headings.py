"""
What organisers call their columns: the headings of the tools that they export from, in the languages that they write.

    columns (HEADINGS)

English, Russian, German, French, Spanish and Kazakh; Google Forms, Action Network, Mailchimp, WordPress (Contact Form 7,
Gravity Forms, WPForms), CiviCRM, Excel. Written as people write them; `columns` compares without regard to case, accents and
punctuation.

"=" before an alias: only as the whole heading or in its brackets. Such a word says too little inside a question: "I agree to
receive the newsletter" is no consent to a letter. NOTHING are headings that hold an alias and are none of our fields.
"""

ALIASES = {
    "name": (
        "name, full name, your name, your full name, display name, name and surname, first and last name, signatory, "
        "signatory name, фио, ф и о, имя и фамилия, фамилия и имя, фамилия имя, имя фамилия, фамилия имя отчество, полное "
        "имя, как вас зовут, как тебя зовут, ваше имя, отображаемое имя, vor- und nachname, vorname und nachname, "
        "vollständiger name, ihr name, dein "
        "name, anzeigename, nom et prénom, prénom et nom, nom complet, nom prénom, prénom nom, votre nom, nom affiché, "
        "nombre completo, nombre y apellido, nombre y apellidos, nombre para mostrar, su nombre, tu nombre, аты-жөні, "
        "аты-жөніңіз, толық аты-жөні, толық аты"
    ),
    "first_name": (
        "first name, firstname, given name, forename, fname, name first, your first name, имя, vorname, prénom, votre "
        "prénom, nombre, nombres, nombre de pila, аты, есімі"
    ),
    "last_name": (
        "last name, lastname, surname, family name, lname, name last, your last name, фамилия, nachname, familienname, "
        "zuname, nom de famille, =nom, apellido, apellidos, тегі"
    ),
    "email": (
        "email, e mail, email address, e mail address, your email, your email address, =mail, электронная почта, адрес "
        "электронной почты, эл почта, адрес эл почты, имейл, емейл, =почта, e-mail-adresse, email adresse, mailadresse, "
        "ihre e-mail-adresse, adresse e-mail, adresse email, adresse mail, adresse électronique, courriel, adresse "
        "courriel, adresse de messagerie, correo electrónico, dirección de correo electrónico, =correo, dirección de "
        "correo, электрондық пошта, электрондық пошта мекенжайы, эл пошта, =пошта, электрондық поштаңыз, "
        "электронный адрес, адрес почты"
    ),
    "country": (
        "country, country name, country of residence, country region, your country, страна, страна проживания, ваша "
        "страна, стране, страну, land, staat, wohnsitzland, ihr land, pays, pays de résidence, votre pays, país, "
        "país de residencia, =ел, "
        "=елі, тұратын елі, еліңіз, елде"
    ),
    "language": (
        "language, preferred language, =lang, =locale, language code, язык, язык письма, предпочитаемый язык, sprache, "
        "bevorzugte sprache, langue, langue préférée, idioma, idioma preferido, lengua, =тіл, =тілі"
    ),
    "organisation": (
        "organisation, organization, organisation name, organization name, name of organisation, name of organization, "
        "name of the organisation, name of the organization, name of your organisation, name of your organization, "
        "company, company name, employer, employer name, current employer, affiliation, union, trade union, организация, "
        "название организации, наименование организации, компания, текущий работодатель, name der organisation, verein, "
        "verband, gewerkschaft, firma, organisme, association, nom de l'organisation, nom de l'association, syndicat, "
        "organización, nombre de la organización, asociación, sindicato, ұйым, ұйымның атауы, мекеме"
    ),
    "role": (
        "role, your role, position, job title, occupation, profession, =function, должность, роль, ваша должность, "
        "профессия, funktion, rolle, beruf, ihre funktion, fonction, poste, =titre, cargo, puesto, profesión, ocupación, "
        "лауазымы, лауазым, қызметі"
    ),
    "city": (
        "city, town, city or town, town or city, your city, locality, =place, город, городе, город проживания, "
        "населенный пункт, населенном пункте, ваш город, "
        "stadt, wohnort, =ort, ihre stadt, ville, commune, votre ville, ciudad, localidad, población, қала, қаласы, "
        "қалаңыз, тұратын "
        "қаласы, can2 user city"
    ),
    "postal_address": (
        "postal address, mailing address, street address, home address, =address, can2 user address, address street "
        "address, почтовый адрес, домашний адрес, =адрес, улица дом, postanschrift, =anschrift, postadresse, =adresse, "
        "straße und hausnummer, adresse postale, dirección postal, =dirección, domicilio, пошталық мекенжайы, =мекенжайы, "
        "=мекенжай"
    ),
    "message": (
        "message, your message, personal message, personal paragraph, personal note, =comment, =comments, your comment, "
        "your comments, сообщение, личное сообщение, ваше сообщение, =комментарий, nachricht, ihre nachricht, persönliche "
        "nachricht, =kommentar, =mitteilung, votre message, message personnel, =commentaire, mensaje, su mensaje, mensaje "
        "personal, =comentario, =comentarios, хабарлама, хабарламаңыз, =пікір"
    ),
    "consent": (
        "=consent, =your consent, =consent given, =i consent, =i agree, =agree, =agreed, =consent consent, =acceptance, "
        "=letter consent, =consent to the letter, =согласие, =даю согласие, =согласие на "
        "отправку письма, =согласие на отправку, =согласен, =согласна, =я согласен, =я согласна, =einwilligung, "
        "=zustimmung, =einverständnis, =ich stimme zu, =ich willige ein, =consentement, =j'accepte, =accord, =je "
        "consens, =consentimiento, =acepto, =estoy de acuerdo, =doy mi consentimiento, =келісім, =келісемін, =келісім "
        "беремін"
    ),
    "signed_at": (
        "signed at, signed on, signature date, date signed, date of signing, date of signature, timestamp, =date, =date "
        "and time, created at, =created, =created date, date created, submitted at, =submitted, submission date, "
        "submission time, =optin time, action date, entry date, activity date, start date, =time, form date, =дата, =дата "
        "и время, дата подписи, дата подписания, отметка времени, =время, дата создания, дата заполнения, zeitstempel, "
        "=datum, datum der unterschrift, unterzeichnet am, erstellt am, eingangsdatum, horodateur, horodatage, date de "
        "signature, signé le, date d'envoi, date de création, marca temporal, =fecha, fecha de firma, fecha de envío, "
        "firmado el, уақыт белгісі, =күні, қол қойған күні"
    ),
    "confirmed_at": (
        "confirmed at, confirmed on, =confirmed, confirm time, confirmation date, confirmation time, date confirmed, =email "
        "confirmed, =e mail confirmed, =подтверждено, дата подтверждения, время подтверждения, =bestätigt, bestätigt am, "
        "=confirmé, confirmé le, =confirmado, confirmado el, =расталды, расталған күні"
    ),
    "withdrawn_at": (
        "withdrawn at, withdrawn on, =withdrawn, date withdrawn, withdrawal date, unsubscribed at, unsubscribed on, "
        "=unsubscribed, unsub time, =отозвано, дата отзыва, =отписан, =отписана, дата отписки, =widerrufen, widerrufen am, "
        "=abgemeldet, abgemeldet am, =retiré, retiré le, =désinscrit, désinscrit le, =retirado, retirado el"
    ),
    "kind": (
        "kind, =type, person or organisation, person or organization, person or an organisation, person or an "
        "organization, person or for an organisation, person or for an organization, contact type, sign as, signing as, "
        "who signs, =тип, тип подписи, кто подписывает, лицо или организация, человек или организация, тип контакта, "
        "person oder organisation, =art, wer unterschreibt, personne ou organisation, persona u organización, жеке тұлға "
        "немесе ұйым, =түрі"
    ),
}  # fmt: skip

NOTHING = (
    "middle name, second name, nickname, maiden name, sort name, name prefix, name middle, name suffix, user name, "
    "username, form name, campaign name, file name, group name, event name, page name, action name, petition name, list "
    "name, source name, отчество, псевдоним, zweiter vorname, deuxième prénom, segundo nombre, әкесінің аты, do not email, "
    "email greeting, email status, email type, email domain, email opt out, no bulk emails user opt out, country calling "
    "code, phone country, ip country, language of the form, entry id, contact subtype, union id, position id, company "
    "size, start date of the campaign, end date, message id"
)

# A part of a name that by itself is all of it in some forms; and those beside which «Name» is the family name.
WHOLE_ALONE = ("имя", "nom", "nombre", "аты", "есімі")
BESIDE_NAME = ("vorname", "prénom", "first name", "firstname", "given name", "forename")

# A question may put these words around an alias. Any other makes it a question about something else: "Country of birth".
FILLERS = (
    "a, an, the, your, my, you, what, which, who, where, how, is, are, do, does, as, in, of, from, at, and, or, also, here, "
    "there, for, to, it, on, live, living, work, belong, represent, reside, residence, please, enter, write, type, give, "
    "tell, us, state, full, current, optional, required, mandatory, if, any, should, appear, letter, reply, answer, sign, "
    "signing, s, ваш, ваша, ваше, ваши, вашу, твой, твоя, твоё, укажите, введите, напишите, пожалуйста, какой, какая, "
    "какое, какова, каково, в, из, на, по, для, вы, живёте, проживаете, где, и, или, от, это, как, письма, письме, "
    "ответа, связи, полностью, "
    "подписанта, подписавшего, необязательно, обязательно, желанию, ihr, ihre, ihren, dein, deine, bitte, geben, "
    "sie, an, ein, eine, welchem, "
    "welcher, welches, wie, lautet, was, ist, der, die, das, den, dem, im, aus, optional, freiwillig, für, antwort, und, "
    "oder, wohnen, leben, wo, votre, vos, ton, ta, quel, quelle, est, le, la, les, l, de, du, d, un, une, veuillez, "
    "indiquer, indiquez, saisir, entrer, entrez, dans, habitez, vivez, vous, où, facultatif, pour, réponse, et, ou, su, tu, "
    "sus, cuál, es, el, los, una, por, favor, escriba, indique, introduzca, en, que, qué, vive, opcional, para, respuesta, "
    "y, o, сіздің, қандай, қай, жазыңыз, көрсетіңіз, енгізіңіз, тұрасыз, және, немесе"
)

# How words begin that say that a heading is about somebody else; none of our fields, whatever stands in its brackets.
OTHERS = (
    "mother, father, parent, mum, child, son, daughter, sibling, brother, sister, friend, spouse, husband, wife, partner, "
    "relative, guardian, emergency, referr, mp, mps, deputy, senator, representative, congress, minister, teacher, "
    "prisoner, victim, birth, матер, мать, отца, отец, родител, ребён, детей, друг, супруг, мужа, жены, депутат, сенатор, "
    "министр, рожден, экстренн, mutter, vater, eltern, kindes, kinder, freund, abgeordnet, senator, notfall, geburt, gatt, "
    "mère, père, parent, enfant, ami, amie, député, sénateur, ministre, urgence, naissance, conjoint, madre, padre, hijo, "
    "hija, amigo, amiga, diputado, diputada, emergencia, nacimiento, cónyuge, анаңыз, әкеңіз, балаңыз, досыңыз, туған, туу"
)

# How words begin that say that a consent is one to something else than a letter.
ELSEWHERE = (
    "newsletter, privacy, gdpr, rgpd, dsgvo, stor, data, process, terms, condition, cookie, polic, marketing, subscri, "
    "optin, mailing, update, рассыл, персональн, обработ, хранен, политик, услови, подпис, новост, данн, datenschutz, "
    "daten, verarbeit, speicher, nutzungsbeding, agb, rundbrief, infolettre, bulletin, confidentialit, données, traitement, "
    "conserv, conditions, boletín, privacidad, datos, tratamiento, términos, condiciones, suscri, деректер, құпиялылық, "
    "тарату, жаңалық"
)

# A question that asks for consent to a letter, by what it must hold: that somebody agrees, a letter, and that it is sent.
ASKS_CONSENT = (
    "i agree, i consent, i accept, i hereby agree, i hereby consent, do you agree, do you consent, may we send, согласны ли "
    "вы, вы согласны, согласен, согласна, я согласен, я согласна, даю согласие, согласие на, ich stimme zu, ich willige "
    "ein, ich bin einverstanden, ich bin damit einverstanden, sind sie einverstanden, sind sie damit einverstanden, stimmen "
    "sie zu, j'accepte, je consens, acceptez-vous, êtes-vous d'accord, je suis d'accord, estoy de acuerdo, acepto, está de "
    "acuerdo, acepta, doy mi consentimiento"
)
OF_A_LETTER = "letter, письм, brief, schreiben, lettre, carta"
IS_SENT = "sent, send, отправ, направ, gesendet, gesandt, verschick, geschickt, versand, versend, envoy, enví, envia"
TAKES_BACK = (
    "not, no, don, never, не, нет, nicht, kein, keine, ne, pas, non, me, мне, mir, reply, receive, получ, erhalt, recev, recib"
)
