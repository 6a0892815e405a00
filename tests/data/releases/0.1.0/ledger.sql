-- Tables like: (All)

-- The values of various per-database settings
PRAGMA page_size=4096;
-- PRAGMA encoding='UTF-8';
-- PRAGMA auto_vacuum=NONE;
-- PRAGMA max_page_count=4294967294;

BEGIN TRANSACTION;

-- Table  attempt
DROP TABLE IF EXISTS attempt;
CREATE TABLE attempt (
    letter      INTEGER NOT NULL REFERENCES letter (id),
    number      INTEGER NOT NULL,
    worker      TEXT NOT NULL,
    relay       TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    lease_until INTEGER,                        -- for ledgers that several workers share
    marked_at   INTEGER,                        -- the dot mark: durable before the final dot leaves
    marked      TEXT NOT NULL DEFAULT '',       -- JSON: addresses that the relay had accepted for this body
    settled_at  INTEGER,
    verdict     TEXT CHECK (verdict IN ('accepted', 'deferred', 'refused', 'in_doubt', 'unsent', 'held')),
    stage       TEXT NOT NULL DEFAULT '',
    scope       TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    answer      TEXT NOT NULL DEFAULT '',
    recipients  TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (letter, number),
    CHECK ((settled_at IS NULL) = (verdict IS NULL)),
    CHECK (verdict IS NULL OR verdict NOT IN ('accepted', 'in_doubt') OR marked_at IS NOT NULL),
    -- Behind the mark only an answer tells: to the dot, or one that came before the dot and kept it back.
    CHECK (verdict IS NULL OR marked_at IS NULL OR verdict = 'in_doubt' OR stage IN ('body', 'dot'))
) STRICT, WITHOUT ROWID;
INSERT INTO attempt VALUES(1,1,'worker','relay',1316520000,NULL,1316520000,'["head@court.example", "press@court.example", "copies@campaign.example"]',1316520000,'accepted','dot','letter','','250 2.0.0 taken','[["head@court.example","to","accepted","250 2.0.0 taken"],["press@court.example","cc","accepted","250 2.0.0 taken"],["copies@campaign.example","copy","accepted","250 2.0.0 taken"]]');
INSERT INTO attempt VALUES(3,1,'worker','relay',1316520000,NULL,1316520000,'["head@court.example", "press@court.example", "copies@campaign.example"]',1316520000,'accepted','dot','letter','','250 2.0.0 taken','[["head@court.example","to","accepted","250 2.0.0 taken"],["press@court.example","cc","accepted","250 2.0.0 taken"],["copies@campaign.example","copy","accepted","250 2.0.0 taken"]]');
INSERT INTO attempt VALUES(5,1,'worker','relay',1316520000,NULL,NULL,'',1316520000,'deferred','rcpt','recipient','the server asks to try later','451 4.3.0 try later','[["head@court.example","to","deferred","451 4.3.0 try later"],["press@court.example","cc","deferred","451 4.3.0 try later"],["copies@campaign.example","copy","deferred","451 4.3.0 try later"]]');
INSERT INTO attempt VALUES(7,1,'worker','relay',1316520000,NULL,1316520000,'["head@court.example", "press@court.example", "copies@campaign.example"]',1316520000,'refused','dot','letter','the server refuses the letter','554 5.0.0 no','[["head@court.example","to","refused","554 5.0.0 no"],["press@court.example","cc","refused","554 5.0.0 no"],["copies@campaign.example","copy","refused","554 5.0.0 no"]]');
INSERT INTO attempt VALUES(9,1,'worker','relay',1316520000,NULL,1316520000,'["head@court.example", "press@court.example", "copies@campaign.example"]',1316520000,'in_doubt','dot','letter','no usable answer to the final dot: the connection was lost','the connection was lost','[["head@court.example","to","in_doubt","the connection was lost"],["press@court.example","cc","in_doubt","the connection was lost"],["copies@campaign.example","copy","in_doubt","the connection was lost"]]');
INSERT INTO attempt VALUES(11,1,'worker','relay',1316520000,NULL,1316520000,'["head@court.example", "press@court.example", "copies@campaign.example"]',NULL,NULL,'','','','','[]');
INSERT INTO attempt VALUES(13,1,'worker','relay',1316520000,NULL,NULL,'',NULL,NULL,'','','','','[]');
-- Triggers and indices on  attempt
CREATE INDEX attempt_open ON attempt (letter) WHERE settled_at IS NULL;

-- Table  campaign
DROP TABLE IF EXISTS campaign;
CREATE TABLE campaign (
    id              TEXT PRIMARY KEY,
    key_fingerprint TEXT NOT NULL,
    edition         TEXT NOT NULL DEFAULT '',   -- the content that the last pass sent by
    approved        TEXT NOT NULL DEFAULT '',   -- the edition that was approved
    approved_at     INTEGER,
    approved_by     TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO campaign VALUES('c','59b8cc1b58b9f30244b0197119de529e','','',NULL,'');

-- Table  edition
DROP TABLE IF EXISTS edition;
CREATE TABLE edition (
    hash    TEXT PRIMARY KEY,
    content TEXT NOT NULL,                      -- JSON: name of a part -> its text
    kept_at INTEGER NOT NULL
) STRICT;

-- Table  file
DROP TABLE IF EXISTS file;
CREATE TABLE file (
    id       INTEGER PRIMARY KEY,
    claim    TEXT NOT NULL UNIQUE,              -- the ULID under which it stood in claimed/
    campaign TEXT REFERENCES campaign (id),     -- NULL: none could be told
    state    TEXT NOT NULL CHECK (state IN ('reading', 'done', 'rejected')),
    read     INTEGER NOT NULL DEFAULT 0,        -- rows = taken + known + refused
    taken    INTEGER NOT NULL DEFAULT 0,
    known    INTEGER NOT NULL DEFAULT 0,
    refused  INTEGER NOT NULL DEFAULT 0,
    readings INTEGER NOT NULL DEFAULT 0,        -- how often its reading has begun
    reason   TEXT NOT NULL DEFAULT '',
    begun_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK (state <> 'done' OR read = taken + known + refused)
) STRICT;
INSERT INTO file VALUES(1,'016A3B9YG0XRMXAT0EY07JWW2E','c','done',14,14,0,0,1,'',1316520000,1316520000);

-- Table  install
DROP TABLE IF EXISTS install;
CREATE TABLE install (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Table  journal
DROP TABLE IF EXISTS journal;
CREATE TABLE journal (
    seq  INTEGER PRIMARY KEY,
    line TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
INSERT INTO journal VALUES(1,'{"seq":1,"at":"2011-09-20T12:00:00Z","event":"file","file":1,"state":"done","rows":14,"taken":14,"known":0,"refused":0,"prev":"0000000000000000000000000000000000000000000000000000000000000000"}','833c12654bab4df718f189d6158b46c55e6b25e1c51f560a77753ecd27a418e3');
INSERT INTO journal VALUES(2,'{"seq":2,"at":"2011-09-20T12:00:00Z","event":"letter","letter":5,"campaign":"c","target":"court","from":"sending","to":"deferred","who":"worker","why":"the server asks to try later","attempt":1,"stage":"rcpt","reply":"451 4.3.0 try later","prev":"833c12654bab4df718f189d6158b46c55e6b25e1c51f560a77753ecd27a418e3"}','a54f15da1a71fefbe1d71c792e59ea8688d3f2afa2514ff8030b746530bbc7a7');
INSERT INTO journal VALUES(3,'{"seq":3,"at":"2011-09-20T12:00:00Z","event":"letter","letter":7,"campaign":"c","target":"court","from":"sending","to":"refused","who":"worker","why":"the server refuses the letter","attempt":1,"stage":"dot","reply":"554 5.0.0 no","prev":"a54f15da1a71fefbe1d71c792e59ea8688d3f2afa2514ff8030b746530bbc7a7"}','30118518090050e193b5a40788f282a3026b8edafab66cda2b41740adf6a28a3');
INSERT INTO journal VALUES(4,'{"seq":4,"at":"2011-09-20T12:00:00Z","event":"letter","letter":9,"campaign":"c","target":"court","from":"sending","to":"in_doubt","who":"worker","why":"no usable answer to the final dot: the connection was lost","attempt":1,"stage":"dot","reply":"the connection was lost","prev":"30118518090050e193b5a40788f282a3026b8edafab66cda2b41740adf6a28a3"}','fbb7e2d0368d8bc8105dfe86140005a096379f08b7f6164b885f0d342e75ad67');
INSERT INTO journal VALUES(5,'{"seq":5,"at":"2011-09-20T12:00:00Z","event":"letter","letter":1,"campaign":"c","target":"court","from":"sending","to":"accepted","who":"worker","attempt":1,"stage":"dot","reply":"250 2.0.0 taken","prev":"fbb7e2d0368d8bc8105dfe86140005a096379f08b7f6164b885f0d342e75ad67"}','06187286e969a61759c6c9f769d3606095e711f33c7c4bfb43b2117ad4eaac2a');
INSERT INTO journal VALUES(6,'{"seq":6,"at":"2011-09-20T12:00:00Z","event":"letter","letter":3,"campaign":"c","target":"court","from":"sending","to":"accepted","who":"worker","attempt":1,"stage":"dot","reply":"250 2.0.0 taken","prev":"06187286e969a61759c6c9f769d3606095e711f33c7c4bfb43b2117ad4eaac2a"}','674701405b28b24a63458708ac3052348263410362f835dc9146a6d3dd5fe418');
INSERT INTO journal VALUES(7,'{"seq":7,"at":"2011-09-20T12:00:00Z","event":"letter","letter":15,"campaign":"c","target":"court","from":"queued","to":"held","who":"person","why":"organiser","said":"an example","prev":"674701405b28b24a63458708ac3052348263410362f835dc9146a6d3dd5fe418"}','b7f2657cffb9733a1d38108c6bec3284d2416f2e59302f9da8445defcc77d391');
INSERT INTO journal VALUES(8,'{"seq":8,"at":"2011-09-20T12:00:00Z","event":"letter","letter":17,"campaign":"c","target":"court","from":"queued","to":"cancelled","who":"person","said":"an example","prev":"b7f2657cffb9733a1d38108c6bec3284d2416f2e59302f9da8445defcc77d391"}','b79aadd820f4c9ec9945b99652be53ee169a5fd091def97ce6453dd2cefba07c');
INSERT INTO journal VALUES(9,'{"seq":9,"at":"2011-09-20T12:00:00Z","event":"letter","letter":3,"campaign":"c","target":"court","from":"accepted","to":"bounced","who":"person","why":"an example","prev":"b79aadd820f4c9ec9945b99652be53ee169a5fd091def97ce6453dd2cefba07c"}','b8a01974c88644e48df270bee192009fd83acd2cd0dd5d8521db3926c29bcf62');
INSERT INTO journal VALUES(10,'{"seq":10,"at":"2011-09-20T12:00:00Z","event":"letter","letter":19,"campaign":"c","target":"court","from":"queued","to":"expired","who":"person","why":"an example","prev":"b8a01974c88644e48df270bee192009fd83acd2cd0dd5d8521db3926c29bcf62"}','05567c39c2b40e0b535709cf3816f6e7b974c52a7b4b806abd1eca3d894364ce');
INSERT INTO journal VALUES(11,'{"seq":11,"at":"2011-09-20T12:00:00Z","event":"letter","letter":2,"campaign":"c","target":"press","from":"by_hand","to":"done","who":"person","why":"an example","prev":"05567c39c2b40e0b535709cf3816f6e7b974c52a7b4b806abd1eca3d894364ce"}','fe26be298241b55648a39e563efc3eb3caf001083f0ad3ad9bba8727c6b3d91d');

-- Table  letter
DROP TABLE IF EXISTS letter;
CREATE TABLE letter (
    id              INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: people write it down, and the journal knows it
    kind            TEXT NOT NULL DEFAULT 'letter' CHECK (kind IN ('letter', 'notice')),
    campaign        TEXT NOT NULL REFERENCES campaign (id),
    signature       INTEGER REFERENCES signature (id),
    target          TEXT NOT NULL,
    country         TEXT NOT NULL DEFAULT '',   -- the signatory's, where the target's route depends on it
    channel         TEXT NOT NULL CHECK (channel IN ('email', 'phone', 'post')),
    state           TEXT NOT NULL CHECK (state IN ('held', 'queued', 'sending', 'deferred', 'in_doubt', 'accepted', 'refused',
                                                   'bounced', 'expired', 'cancelled', 'by_hand', 'done')),
    reason          TEXT NOT NULL DEFAULT '',
    held_by         TEXT CHECK (held_by IN ('rule', 'person')),
    attempt         INTEGER NOT NULL DEFAULT 0, -- number of the newest attempt
    tries           INTEGER NOT NULL DEFAULT 0, -- attempts that reached MAIL
    deaths          INTEGER NOT NULL DEFAULT 0, -- workers that died while they wrote it
    resent          INTEGER NOT NULL DEFAULT 0 CHECK (resent IN (0, 1)), -- the one resend that a rule may give was given
    first_tried_at  INTEGER,
    next_attempt_at INTEGER,
    queued_at       INTEGER NOT NULL,
    accepted_at     INTEGER,
    message_id      TEXT NOT NULL,
    date            INTEGER,                    -- fixed, with the next three, by the first attempt that reaches DATA
    edition         TEXT,
    language        TEXT,
    sha256          TEXT,
    recipients      TEXT NOT NULL DEFAULT '[]', -- JSON: [[address, role, state, reply, why, times, may_have_it], ...]
    CHECK (kind = 'notice' OR signature IS NOT NULL),
    CHECK ((state = 'held') = (held_by IS NOT NULL)),
    CHECK ((state IN ('queued', 'deferred')) = (next_attempt_at IS NOT NULL)),
    CHECK (state <> 'accepted' OR accepted_at IS NOT NULL),
    UNIQUE (signature, target)
) STRICT;
INSERT INTO letter VALUES(1,'letter','c',1,'court','','email','accepted','',NULL,1,1,0,0,1316520000,NULL,1316520000,1316520000,'<1.39bf7ea3318ceab51baa@campaign.example>',1316505600,'edition','en','5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a','[["head@court.example","to","accepted","250 2.0.0 taken"],["press@court.example","cc","accepted","250 2.0.0 taken"],["copies@campaign.example","copy","accepted","250 2.0.0 taken"]]');
INSERT INTO letter VALUES(2,'letter','c',1,'press','','phone','done','an example',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<2.f832b1e8cb4c20d8b3b9@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(3,'letter','c',2,'court','','email','bounced','an example',NULL,1,1,0,0,1316520000,NULL,1316520000,1316520000,'<3.6598e8dff61eacadcbde@campaign.example>',1316505600,'edition','en','5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a','[["head@court.example","to","accepted","250 2.0.0 taken"],["press@court.example","cc","accepted","250 2.0.0 taken"],["copies@campaign.example","copy","accepted","250 2.0.0 taken"]]');
INSERT INTO letter VALUES(4,'letter','c',2,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<4.8047109e3979434dcd75@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(5,'letter','c',3,'court','','email','deferred','the server asks to try later',NULL,1,1,0,0,1316520000,1316520300,1316520000,NULL,'<5.e54fe774a76f169ffb35@campaign.example>',NULL,NULL,NULL,NULL,'[["head@court.example","to","deferred","451 4.3.0 try later"],["press@court.example","cc","deferred","451 4.3.0 try later"],["copies@campaign.example","copy","deferred","451 4.3.0 try later"]]');
INSERT INTO letter VALUES(6,'letter','c',3,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<6.a6f88e1aa593596eb3ae@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(7,'letter','c',4,'court','','email','refused','the server refuses the letter',NULL,1,1,0,0,1316520000,NULL,1316520000,NULL,'<7.512bbc90a17948d71696@campaign.example>',1316505600,'edition','en','5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a','[["head@court.example","to","refused","554 5.0.0 no"],["press@court.example","cc","refused","554 5.0.0 no"],["copies@campaign.example","copy","refused","554 5.0.0 no"]]');
INSERT INTO letter VALUES(8,'letter','c',4,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<8.cda467ceb59f0cf45e59@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(9,'letter','c',5,'court','','email','in_doubt','no usable answer to the final dot: the connection was lost',NULL,1,1,0,0,1316520000,NULL,1316520000,NULL,'<9.298f26b7c4d93bf9a87f@campaign.example>',1316505600,'edition','en','5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a','[["head@court.example","to","in_doubt","the connection was lost"],["press@court.example","cc","in_doubt","the connection was lost"],["copies@campaign.example","copy","in_doubt","the connection was lost"]]');
INSERT INTO letter VALUES(10,'letter','c',5,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<10.0959cf0530dc005ceb32@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(11,'letter','c',6,'court','','email','sending','',NULL,1,0,0,0,NULL,NULL,1316520000,NULL,'<11.c402a43d02ba4189e3cf@campaign.example>',1316505600,'edition','en','5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a','[["head@court.example","to","waiting",""],["press@court.example","cc","waiting",""],["copies@campaign.example","copy","waiting",""]]');
INSERT INTO letter VALUES(12,'letter','c',6,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<12.1caa75248eb1f4a8d2c5@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(13,'letter','c',7,'court','','email','sending','',NULL,1,0,0,0,NULL,NULL,1316520000,NULL,'<13.e72e49dbd8677f6dd68e@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(14,'letter','c',7,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<14.47b8a0d4a19e45bb6f17@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(15,'letter','c',8,'court','','email','held','organiser','person',0,0,0,0,NULL,NULL,1316520000,NULL,'<15.3ff7112988986780ae35@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(16,'letter','c',8,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<16.f59ba5ad32a42df9e9d4@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(17,'letter','c',9,'court','','email','cancelled','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<17.aaac26f28d26e8b00c20@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(18,'letter','c',9,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<18.77d0c42ce6ccc462524c@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(19,'letter','c',10,'court','','email','expired','an example',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<19.f4915146416db285d9d7@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(20,'letter','c',10,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<20.54ff395349a7578c5e46@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(21,'letter','c',11,'court','','email','queued','',NULL,0,0,0,0,NULL,1316520000,1316520000,NULL,'<21.7c9b1fee3e3356b05fae@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(22,'letter','c',11,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<22.59272eb38728a9f37600@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(23,'letter','c',12,'court','','email','queued','',NULL,0,0,0,0,NULL,1316520000,1316520000,NULL,'<23.4e0d319e1866aaa2ccee@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(24,'letter','c',12,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<24.9082380d1be424190cc7@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(25,'letter','c',13,'court','','email','queued','',NULL,0,0,0,0,NULL,1316520000,1316520000,NULL,'<25.2e3f98500a8e450eac01@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(26,'letter','c',13,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<26.c9279951aa5b8c083c35@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(27,'letter','c',14,'court','','email','queued','',NULL,0,0,0,0,NULL,1316520000,1316520000,NULL,'<27.5021304b4538a61670bf@campaign.example>',NULL,NULL,NULL,NULL,'[]');
INSERT INTO letter VALUES(28,'letter','c',14,'press','','phone','by_hand','',NULL,0,0,0,0,NULL,NULL,1316520000,NULL,'<28.6d32d097d64671622a50@campaign.example>',NULL,NULL,NULL,NULL,'[]');
-- Triggers and indices on  letter
CREATE INDEX letter_due ON letter (campaign, target, country, next_attempt_at) WHERE state IN ('queued', 'deferred');
CREATE INDEX letter_held ON letter (campaign, target, country, reason, held_by) WHERE state = 'held';
CREATE INDEX letter_in_doubt ON letter (campaign, target, country) WHERE state = 'in_doubt';
CREATE INDEX letter_state ON letter (campaign, target, state);
CREATE INDEX letter_tried ON letter (campaign, first_tried_at)
    WHERE state IN ('queued', 'deferred') AND first_tried_at IS NOT NULL;

-- Table  pause
DROP TABLE IF EXISTS pause;
CREATE TABLE pause (
    scope TEXT PRIMARY KEY,
    who   TEXT NOT NULL CHECK (who IN ('worker', 'rule', 'person')),
    why   TEXT NOT NULL,
    at    INTEGER NOT NULL,
    since INTEGER NOT NULL                      -- from when on its time does not count towards giving a letter up
) STRICT;

-- Table  relay
DROP TABLE IF EXISTS relay;
CREATE TABLE relay (
    name       TEXT PRIMARY KEY,
    failures   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    why        TEXT NOT NULL,
    down_since INTEGER                          -- when the failures began that opened it; this time does not count either
) STRICT;

-- Table  sent
DROP TABLE IF EXISTS sent;
CREATE TABLE sent (
    address TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
INSERT INTO sent VALUES('head@court.example',1316520000);
INSERT INTO sent VALUES('head@court.example',1316520000);
INSERT INTO sent VALUES('head@court.example',1316520000);
INSERT INTO sent VALUES('head@court.example',1316520000);
INSERT INTO sent VALUES('head@court.example',1316520000);
-- Triggers and indices on  sent
CREATE INDEX sent_to ON sent (address, at);

-- Table  signature
DROP TABLE IF EXISTS signature;
CREATE TABLE signature (
    id       INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL REFERENCES campaign (id),
    person   BLOB NOT NULL,                     -- keyed hash of (campaign, kind, address)
    country  TEXT NOT NULL DEFAULT '',          -- ISO 3166-1 alpha-2
    file     INTEGER NOT NULL REFERENCES file (id),
    line     INTEGER NOT NULL,
    reading  INTEGER NOT NULL,                  -- the reading of its file that brought it last
    taken_at INTEGER NOT NULL,
    state    TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'withdrawn', 'erased')),
    sealed   BLOB,                              -- everything personal; NULL once erased
    CHECK ((state = 'erased') = (sealed IS NULL)),
    UNIQUE (campaign, person)
) STRICT;
INSERT INTO signature VALUES(1,'c',X'B44A257BD0805FF577D497F7A4F6C86427F6D518','GB',1,2,1,1316520000,'active',X'005885215FE8A45CB798BAE011C228B957E461C498F7594E9C2A2AE0FF74A228D34860AA200ED71B512C5CB5C641B5C407CEEC93113FE4AA1E6D26C3EA5A7373ADF17212105AEC5750C5546F5858756EF3B403C65253E84AC4945CE45125EE0824AF24B561D0DB5F72C4C9A2A7ADC87908A3D2151A24D76B5645A075E4B2A839312A794AB6FBF5F7');
INSERT INTO signature VALUES(2,'c',X'1BA236A7D0325B210F39062667A41362FB6AB4D2','GB',1,3,1,1316520000,'active',X'617EE1B61BC33FFC3B82B4E5C0E93B470476E21AF41E272C231ADA3DD665859CD2733A446EB25A01390DAC660C53590E7CE048F4297C635B98365E0821F44E5E7D0E7012458502A41D4D748D4A3E08D7B9F526213F6D3E63FA63877125C9CB110F7565402A3F92537425BEBC9CB0CC63F93A75FBA76FA90F3D972F7DCDD7CD417F694E17A2C410AF');
INSERT INTO signature VALUES(3,'c',X'C13A5E8F93466ED7C1F82C369D511CCF6DDB14F5','GB',1,4,1,1316520000,'active',X'69861FB980D1E8CD80DA8DF94E436892AB51516A723517C127222AF9EF50CD943257464FDAC99404660A5B74E98DA9073AE0723E93AABF2A227BC67F11A85D11C8847ECF567B1C4F9584868838A562D73AA59DD9171455835CAF7D505F7930C82D8585EEE78A2E7A3923F56B88FA0D4276A779D81E3AE11E9B264003B5BECFFEF2E9D76C2833DD1F');
INSERT INTO signature VALUES(4,'c',X'20D6E394CCAB00C63968D9A2D5717B4E92BA8FC9','GB',1,5,1,1316520000,'active',X'34496514CB7B1F3CAA0DB192DF8C0EC8294C174357BCDC0DCC3A17EF716362FEDA2ED854A5DBD40D93E699015328BBE4639E238968ED2A41031E1EEA9203FED559D1E9A39D4768EE7CB04577BC8DF5BB5998744192CB40A52DD3F5258198C22B10F259E04868FD2ECD2C7E6C7D68EB998D54B94D65D60DC86F0A2ECC83504CA326EB77817E5AA5C7');
INSERT INTO signature VALUES(5,'c',X'F65F0D2DD5BC84579B955F8B6CB8B4E78E905AE7','GB',1,6,1,1316520000,'active',X'A6046F9F60A81D060B6C3BF2CC58E1EF0BDA4D8996E0275FE9170404FF57B2AFF51FF7BC94645C3BABCEC6AB81385F5730B36C29FFE2DC5D86A3BCAD8B2F3DDCCCAED099255E508C184780F8057D9DCE36FB4979F428B68CAD4064CAE1B472B648E3559A4C59F574402C327F0C4BE2B7A29C3C4A170A4ECDC81FEACFF89A0853A891EE52E3012280');
INSERT INTO signature VALUES(6,'c',X'0936857F10DD1788FEE9F107A7820E3D48118DC9','GB',1,7,1,1316520000,'active',X'313049ACE3BEF575F8B601D1BD56684956FFACDF109EDA6EED3F23612FF225A8A3AF456156F64B455A13C5FEF3BF6B78E6F724103D084BD390684E228E18D1E696A3804518B90A35C837DB590FD0CB062892956F4A30EDA2D47AE5DB405D59DC3AF5B87E062B6C3DAA5E3D0CB7544F309A82754D276FA158D13146458FD75954DA1528FECE09718C');
INSERT INTO signature VALUES(7,'c',X'1F9610464B366854BBE7002C15F0C458F2781275','GB',1,8,1,1316520000,'active',X'F4FED2BD086656199538D14966B441520DBF7295A4EEA153D76D05A5679A49CA0B6EF45F7E56A3BE1C550E3E38AF052B7761FDEA1109802CEB6A0E3423A285D0FCD49083479B2ED740705CBEF78554D2D3029C48406021F0EEBD936B87031C8559989B0D83710D8FDA81D7AB96B3BFEA115F88B7DADA03462EFAE10CA9C9FAE535F50DFF09F31D05');
INSERT INTO signature VALUES(8,'c',X'E8BE9863771D394B8B4F6C8D43B444BA6A34FB34','GB',1,9,1,1316520000,'active',X'AB04A779C8C1AFC634B360A350CA2E6B4255FA98D94263D5DFAB7C1F8BC0A4F2A9F738597CB1F5DDD6B0A561C65FED0E4EFCD3CBB39CCB4C1B8D894E9883EECDBC27F8FC83CA5AF25E45DAF90288997E3D2EAD4799A48523EF45FCD2554FD2C29C55B5D803776A78235F908806012CFAFEB03528F8F0ECEFF288E53BD0013F04F153872079320AB2');
INSERT INTO signature VALUES(9,'c',X'587BE12E44D989A04CFD6079C4D5ED7D2068EAB8','GB',1,10,1,1316520000,'active',X'866D1CD618949025F59E0B0522B1653936486F0ABDA7678ACF8C8970181375D2CE78EC18904932E6C57123BA6560373FD4D3027F36C26936999258C4C788FC0C3D195CA47CE7AC4BC58ED1DC0EC8F352807F8DC855488DCCA76DCBDFB3E0F1C804A8AB442D07659CABAD7BBB06A0834CAD9183CB8B008A02CB2A0DCA1AE30DC404CEF4D897B4B0D7');
INSERT INTO signature VALUES(10,'c',X'528F3906C52F8EFBD68745D050D8C0C1E61DAD08','GB',1,11,1,1316520000,'active',X'6F1391C140F694FABBF77C7CCB975C03E0AA57AEBE8FAFB96E10066AA742B49ED3D934EBD06F8E794EDC396B59673A62B656C6D366C1D0A97E7CC0D723B531F32A805F1431FC06BB75C574E08986FFCCF011ABE1210FD130A36D5FB4F74A17BC49F00618C71F88F8D17CA975331D3CF1F4EE41D203DD4BEB0472B0C5B97955D262FA4A3EE698AD9ABA17');
INSERT INTO signature VALUES(11,'c',X'EF5EE5FFFB294FAD5FCEACF1C75E1D74FB0771E1','GB',1,12,1,1316520000,'active',X'0A151C23EF7A258FA115F804D7014D8E7E60C4E4FDD9F1B656395930FA47AEF8CEC5176E99970A5A90CA355D00A79F13DBE94CEA9CA7787513847A565AF17211DF52C0D766BAD9A712398628605E8687DC7688912983B5BA0D7C446F5A04B3223877B7A41865A533A6CC2F37D8AEF577AE98DA2F4281A805DE72CC4E752FEE4CA539C1BB56DC4A97DD46');
INSERT INTO signature VALUES(12,'c',X'81889D8D17D770A20E62B2B44176DAAE8ACC614C','GB',1,13,1,1316520000,'active',X'10A7DDA069097BE7593BDE8828D3A33440147998586B139F07AC878C517974FBF5CC6881731551A85892DBC5E9383F538E812DF55C786A89EB7D81519186EDEFCB825763958CB3267E425C257128F0FB4402B8119475FB0FAD4A937495C89B0E01C0B05A8054ECE5F7FFC2B5D0002C6DA3F4EC8DA89C6B90777F7E01FDA16BE754F3DCF8ED9BC35730BB');
INSERT INTO signature VALUES(13,'c',X'D3EABCA92234AA1A45E0FB6C46729C62B46E44B0','GB',1,14,1,1316520000,'active',X'F4074E63135651209541167A0FEF024A5597A68BD76C4117C2E42BA7238E88CF496FE1248CC6F90B3259AF807A92F47C9460A2886889F5100CB50B49925349226852FC48A397107D04986EB4F237E4005E8549A45D35F25AA568FACB54F8AF57F6A43F1A842EB1B92C17CFC976C990935B301C66C6F67E9491EF7DD86057EBDC9A75262ADA15E17BECF8');
INSERT INTO signature VALUES(14,'c',X'3C5FF2975172F6C72EA753C1DA8CC90EB852D6D4','GB',1,15,1,1316520000,'active',X'7483CD2FB24951B547D4F4D3911E5A09FCDFD2B89EF6E43745206503B3DB54F12379378118BB08FE27052D029D931D4B81215C0026B8340188609B599BD49183715A7A89B5D27DFFDAAECE427D0E7B05BC47165EA9DB85A65F4DEA217CB3955CFADDC9B5DBA94E86D97C34DA4293100788F6655296B39D7DC0CA46A2F313632B790766E4ADE442B038F7');

-- Table  streak
DROP TABLE IF EXISTS streak;
CREATE TABLE streak (
    sign      TEXT NOT NULL CHECK (sign IN ('address', 'beside', 'policy')),
    campaign  TEXT NOT NULL,
    target    TEXT NOT NULL,
    country   TEXT NOT NULL,
    addresses TEXT NOT NULL,                    -- those that the configuration named, or that were refused; others begin anew
    length    INTEGER NOT NULL,
    passes    INTEGER NOT NULL,                 -- in how many passes
    pass      TEXT NOT NULL,                    -- the one that counted last
    PRIMARY KEY (sign, campaign, target, country)
) STRICT, WITHOUT ROWID;

-- For primary key autoincrements the next id to use is stored in
-- sqlite_sequence
DELETE FROM main.sqlite_sequence WHERE name='letter';
INSERT INTO main.sqlite_sequence VALUES ('letter', 28);

-- Database header
pragma user_version=1;

COMMIT TRANSACTION;
