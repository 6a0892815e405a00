# The reasons that organisers read, in Russian: the English sentence, and below it, set in, the Russian one. {0}, {1}: what differs;
# what stands in «» is somebody's own text and stays; other parts are looked up here themselves.

line
	строка
reason
	причина
other
	прочее
name
	имя
organisation
	организация
role
	должность
city
	город
postal address
	почтовый адрес
message
	сообщение

the name is missing
	имя не указано
the name «{0}» has no letter in it
	в имени «{0}» нет ни одной буквы
the name «{0}» is nobody's: write the name of whoever signs, and nothing else
	имя «{0}» ничьё: напишите имя того, кто подписывает, и ничего больше
nothing is confirmed by this row: its confirmed_at is empty or no
	эта строка ничего не подтверждает: её confirmed_at пуст или «нет»
nobody has signed with this address: drop the list of signatures first, then this row again
	с этим адресом никто не подписывался: сначала положите список подписей, потом снова эту строку
the {0} holds a character that does not belong in it ({1})
	в поле «{0}» есть знак, которому там не место ({1})
the {0} is «{1}», which answers another question: correct the column or the cell
	в поле «{0}» стоит «{1}», а это ответ на другой вопрос: исправьте столбец или ячейку
the {0} is longer than {1} characters
	поле «{0}» длиннее {1} знаков
the {0} «{1}» was read in the wrong encoding before it came here: export the list anew, as UTF-8
	поле «{0}» было прочитано в неверной кодировке ещё до нас («{1}»): выгрузите список заново, в UTF-8
the {0} «{1}» has question marks for letters: export the list anew, as UTF-8
	в поле «{0}» вместо букв стоят вопросительные знаки («{1}»): выгрузите список заново, в UTF-8
the e-mail address is missing
	адрес электронной почты не указан
the e-mail address «{0}» is not valid: {1}
	адрес электронной почты «{0}» неверен: {1}
«{0}» is the address of an office: write that of the person who signs
	«{0}» — адрес учреждения: напишите адрес того, кто подписывает
«{0}» is an address that lasts an hour: write one at which this person can be answered
	«{0}» — одноразовый адрес: напишите такой, по которому этому человеку можно ответить
«{0}» does not say who signs: write person or organisation
	из «{0}» не ясно, кто подписывает: напишите «человек» или «организация»
the country «{0}» is not known: write its name in any official language of Europe or the UN, or its ISO code
	страна «{0}» не распознана: напишите её название на любом официальном языке Европы или ООН или код ISO
the signatory did not consent
	подписавший не дал согласия
the consent «{0}» is not clearly a yes: write yes if this person agreed to the letter, else no
	согласие «{0}» — не ясное «да»: напишите «да», если этот человек согласился на письмо, иначе «нет»
consent is missing: write yes in the consent column if this person agreed to the letter
	нет согласия: напишите «да» в столбце согласия, если этот человек согласился на письмо
signed on {0}, before the campaign opened on {1}
	подписано {0}, до начала кампании {1}
signed on {0}, which has not come yet
	подписано {0}, а этот день ещё не наступил
the date «{0}» can be read in two ways: write it as 2011-09-30
	дату «{0}» можно понять двояко: напишите её как 2011-09-30
the date «{0}» can be read in two ways, and no other date of the column says which: write it as 2011-09-30
	дату «{0}» можно понять двояко, и по другим датам столбца не видно, как верно: напишите её как 2011-09-30
the date «{0}» is not understood: write it as 2011-09-30
	дата «{0}» не распознана: напишите её как 2011-09-30
confirmed_at is «{0}», which is neither a date (2011-09-30) nor yes or no
	в столбце подтверждения стоит «{0}»: это ни дата (2011-09-30), ни «да», ни «нет»

this address has signed before, as «{0}»; nothing is sent a second time
	с этого адреса уже подписывались, как «{0}»; второй раз ничего не отправляется
this person has withdrawn: nothing is sent
	этот человек отозвал подпись: ничего не отправляется
this person was erased: nothing is sent, take the row out of your list
	данные этого человека стёрты: ничего не отправляется, уберите строку из вашего списка
withdrawn; {0}
	подпись отозвана; уже отправлено или может быть отправлено: {0}

An email address must have an @-sign
	в нём нет знака @
There must be something before the @-sign
	перед знаком @ ничего нет
There must be something after the @-sign
	после знака @ ничего нет
An email address cannot have two periods in a row
	две точки подряд
An email address cannot start with a period
	он начинается с точки
An email address cannot end with a period
	он кончается точкой
An email address cannot have a period immediately before the @-sign
	точка перед знаком @
An email address cannot have a period immediately after the @-sign
	точка после знака @
An email address cannot have a hyphen immediately after the @-sign
	дефис после знака @
An email address cannot have a period and a hyphen next to each other
	точка и дефис рядом
The part after the @-sign is not valid. It should have a period
	после знака @ должна быть точка
The part after the @-sign is not valid. It is not within a valid top-level domain
	такого домена верхнего уровня нет
The part after the @-sign is a special-use or reserved name that cannot be used with email
	такой домен для почты не служит
The part after the @-sign contains invalid characters: {0}
	после знака @ есть недопустимые знаки: {0}
The email address contains invalid characters before the @-sign: {0}
	перед знаком @ есть недопустимые знаки: {0}
Internationalized characters before the @-sign are not supported: {0}
	перед знаком @ допустимы только латинские буквы: {0}
After the @-sign, periods cannot be separated by so many characters ({0}
	между точками после знака @ слишком много знаков ({0}
The email address is too long ({0}
	он слишком длинен ({0}
The email address is too long before the @-sign ({0}
	перед знаком @ слишком много знаков ({0}
The email address is too long after the @-sign ({0}
	после знака @ слишком много знаков ({0}
A display name and angle brackets around the email address are not permitted here
	нужен один адрес, без имени и угловых скобок
A bracketed IP address after the @-sign is not allowed here
	после знака @ нужен домен, а не IP-адрес
Quoting the part before the @-sign is not allowed here
	часть перед знаком @ не может быть в кавычках
the e-mail address has a form that mail servers do not take
	почтовые серверы такой адрес не принимают

«{0}» stands twice in this row
	«{0}» стоит в этой строке дважды
«{0}» holds a list or an object, where a plain text is needed
	в «{0}» стоит список или объект, а нужен простой текст
the row holds {0}: the program that wrote the file is at fault; write the row again
	в строке {0}: ошиблась программа, которая записала файл; наберите строку заново
a NUL character
	знак NUL
half a character (a lone surrogate)
	половина знака (непарный суррогат)
the row has {0} columns; at most {1} are read
	в строке {0} столбцов, читается не больше {1}
«{0}» holds {1} characters; at most {2} are read
	в «{0}» {1} знаков, читается не больше {2}
the row holds more than {0} characters
	в строке больше {0} знаков
there is text in a column without a heading: «{0}»; is a quotation mark missing?
	в столбце без заголовка есть текст: «{0}»; не пропущена ли кавычка?
there is text in a column without a heading: «{0}»; {1}
	в столбце без заголовка есть текст: «{0}»; дайте столбцу заголовок или проверьте кавычки
the quotation marks in line {0} do not pair up; correct them and put the file back
	кавычки в строке {0} непарные; исправьте их и положите файл снова
the quotation marks in lines {0} to {1} do not pair up; correct them and put the file back
	кавычки в строках {0}–{1} непарные; исправьте их и положите файл снова
this line is not one JSON object: {0}
	эта строка — не один объект JSON: {0}
an object is needed here: {0}
	здесь нужен объект: {0}
a mapping is needed here: {0}
	здесь нужен словарь: {0}
a list or a mapping stands where a heading is needed
	на месте заголовка стоит список или словарь
the e-mail address «{0}» looks mistyped, for «{1}»; its letters go out all the same
	в адресе «{0}», похоже, опечатка (вместо «{1}»); письма всё равно отправляются
the names of the row's columns are longer than {0} characters together
	названия столбцов строки вместе длиннее {0} знаков
no address of it is known yet
	адрес пока не известен
its address is being looked up
	адрес проверяется
it takes no letters just now
	письма туда пока не отправляются
its address does not work, and another is looked for
	адрес не работает, ищется другой
there is no such mailbox
	такого почтового ящика нет
the mailbox is full
	почтовый ящик переполнен
the server refuses by policy
	сервер отказал по своим правилам
the server refuses this recipient
	сервер не принимает писем для этого адресата
the server refuses the letter
	сервер не принял письмо
the server says that the letter is malformed
	сервер счёл письмо неправильно оформленным
the letter is too large for the server
	письмо слишком велико для сервера
the campaign's deadline has passed
	срок кампании истёк
given up: it was deferred for too long
	сервер слишком долго откладывал приём
