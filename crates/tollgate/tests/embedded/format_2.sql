BEGIN TRANSACTION;
CREATE TABLE cells (number INTEGER PRIMARY KEY, scope INTEGER NOT NULL, key TEXT NOT NULL);
INSERT INTO "cells" VALUES(1,4767078284742323735,'u1');
INSERT INTO "cells" VALUES(2,-3750763034362895579,'');
INSERT INTO "cells" VALUES(3,4767078284742323735,'u0');
CREATE TABLE checkpoints (cell INTEGER PRIMARY KEY, seq INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, id BLOB NOT NULL, reserve_seq INTEGER,
    at INTEGER NOT NULL, wall INTEGER NOT NULL,
    requests INTEGER NOT NULL DEFAULT 0, input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0, nano_usd INTEGER NOT NULL DEFAULT 0,
    millis INTEGER NOT NULL DEFAULT 0,
    expires INTEGER, keep INTEGER NOT NULL DEFAULT 0, charges TEXT NOT NULL DEFAULT '[]',
    user TEXT, session TEXT, team TEXT, tier TEXT, key TEXT, provider TEXT, model TEXT,
    task TEXT, other TEXT,
    link INTEGER, estimated INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "entries" VALUES(1,1,X'01A21204311573F494AE1A6F2F143E68',NULL,1795598594325670865,1795598594325318839,1,21,5,0,0,1795599194325670865,0,'[[1,1,1],[1,2,26],[2,3,1]]','u1',NULL,'t',NULL,NULL,'sandbox','sandbox',NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(2,4,X'01A21204311573F494AE1A6F2F143E68',1,1795598594327559121,1795598594327207095,1,2,5,0,0,NULL,0,'[[1,1,1,1],[1,2,26,7],[2,3,1,1]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(3,1,X'01A2120431447F05A0FD8B606C69836B',NULL,1795598594372898589,1795598594372537887,1,21,5,0,0,1795599194372898589,0,'[[3,1,1],[3,2,26],[2,3,1]]','u0',NULL,'t',NULL,NULL,'sandbox','sandbox',NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(4,4,X'01A2120431447F05A0FD8B606C69836B',3,1795598594373900135,1795598594373539433,1,2,5,0,0,NULL,0,'[[3,1,1,1],[3,2,26,7],[2,3,1,1]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(5,1,X'01A212043158737EB04E82A627EE9444',NULL,1795598594392863448,1795598594392498864,1,21,5,0,0,1795599194392863448,0,'[[1,1,1],[1,2,26],[2,3,1]]','u1',NULL,'t',NULL,NULL,'sandbox','sandbox',NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(6,4,X'01A212043158737EB04E82A627EE9444',5,1795598594394139701,1795598594393775117,1,2,5,0,0,NULL,0,'[[1,1,1,1],[1,2,26,7],[2,3,1,1]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(7,1,X'01A21204316C75EE88993B88473FF771',NULL,1795598594413046537,1795598594412678005,1,21,5,0,0,1795599194413046537,0,'[[3,1,1],[3,2,26],[2,3,1]]','u0',NULL,'t',NULL,NULL,'sandbox','sandbox',NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(8,4,X'01A21204316C75EE88993B88473FF771',7,1795598594413793267,1795598594413424735,1,2,5,0,0,NULL,0,'[[3,1,1,1],[3,2,26,7],[2,3,1,1]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(9,1,X'01A21204318978C8BB3C20B66683C8F1',NULL,1795598594441549320,1795598594441175550,1,21,5,0,0,1795599194441549320,0,'[[1,1,1],[1,2,26],[2,3,1]]','u1',NULL,'t',NULL,NULL,'sandbox','sandbox',NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(10,4,X'01A21204318978C8BB3C20B66683C8F1',9,1795598594442309508,1795598594441935738,1,2,5,0,0,NULL,0,'[[1,1,1,1],[1,2,26,7],[2,3,1,1]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(11,1,X'01A2120431A07585BB3E4FC25C17D1FC',NULL,1795598594464619555,1795598594464241514,1,21,5,0,0,1795599194464619555,0,'[[3,1,1],[3,2,26],[2,3,1]]','u0',NULL,'t',NULL,NULL,'sandbox','sandbox',NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(12,4,X'01A2120431A07585BB3E4FC25C17D1FC',11,1795598594465337206,1795598594464959165,1,2,5,0,0,NULL,0,'[[3,1,1,1],[3,2,26,7],[2,3,1,1]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(13,1,X'000000000000000000000000000000AA',NULL,1795598594491957766,1795598594491574695,1,100,50,0,0,1795599194491957766,1,'[[1,1,1],[1,2,150],[2,3,1]]','u1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(14,1,X'000000000000000000000000000000BB',NULL,1795598594517524461,1795598594517137157,1,100,50,0,0,1795599194517524461,1,'[[1,1,1],[1,2,150],[2,3,1]]','u1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(15,4,X'000000000000000000000000000000BB',14,1795598594537285149,1795598594536892395,1,10,500,0,0,NULL,1,'[[1,1,1,1],[1,2,150,510],[2,3,1,1]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(16,7,X'000000000000000000000000000000BB',14,1795598594537285149,1795598594536892395,0,0,450,0,0,NULL,0,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
CREATE TABLE kinds (kind INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO "kinds" VALUES(1,'reserve');
INSERT INTO "kinds" VALUES(2,'extend');
INSERT INTO "kinds" VALUES(3,'renew');
INSERT INTO "kinds" VALUES(4,'settle');
INSERT INTO "kinds" VALUES(5,'void');
INSERT INTO "kinds" VALUES(6,'expire');
INSERT INTO "kinds" VALUES(7,'overrun');
INSERT INTO "kinds" VALUES(8,'end_session');
CREATE TABLE limits (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, per TEXT NOT NULL, description TEXT NOT NULL
);
INSERT INTO "limits" VALUES(-8885067136642447199,'all','','100000 requests per day');
INSERT INTO "limits" VALUES(-6696520158148870098,'minute','user','1000 requests per minute');
INSERT INTO "limits" VALUES(2846849347798516765,'daily','user','1000000 tokens per day');
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('latest',0);
INSERT INTO "meta" VALUES('replay_from',1);
INSERT INTO "meta" VALUES('rolled',16);
CREATE TABLE outstanding (id BLOB PRIMARY KEY, rows TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rules (
    id INTEGER PRIMARY KEY, limit_id INTEGER NOT NULL, unit TEXT NOT NULL, kind TEXT NOT NULL,
    cap INTEGER NOT NULL, shadow INTEGER NOT NULL
);
INSERT INTO "rules" VALUES(1,-6696520158148870098,'requests','{"window":{"length_ns":60000000000}}',1000,0);
INSERT INTO "rules" VALUES(2,2846849347798516765,'tokens','{"window":{"length_ns":86400000000000}}',1000000,0);
INSERT INTO "rules" VALUES(3,-8885067136642447199,'requests','{"window":{"length_ns":86400000000000}}',100000,0);
CREATE TABLE spend (
    hour INTEGER NOT NULL, user TEXT NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL,
    customer TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, task TEXT NOT NULL,
    tag TEXT NOT NULL,
    requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL, millis INTEGER NOT NULL, overrun_nano_usd INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    PRIMARY KEY (hour, user, key, team, customer, provider, model, task, tag)
) WITHOUT ROWID;
INSERT INTO "spend" VALUES(498777,'u0','','t','','sandbox','sandbox','','',3,6,15,0,0,0,0);
INSERT INTO "spend" VALUES(498777,'u1','','','','','','','',1,10,500,0,0,0,0);
INSERT INTO "spend" VALUES(498777,'u1','','t','','sandbox','sandbox','','',3,6,15,0,0,0,0);
CREATE INDEX kept ON entries (seq) WHERE keep = 1 AND kind IN (4, 5);
CREATE INDEX links ON entries (link) WHERE link IS NOT NULL;
CREATE VIEW spent AS
SELECT e.seq, coalesce(x.wall, e.wall) / 3600000000000 AS hour,
    coalesce(r.user, '') AS user, coalesce(r.key, '') AS key, coalesce(r.team, '') AS team,
    coalesce(json_extract(r.other, '$.customer'), '') AS customer,
    coalesce(r.provider, '') AS provider, coalesce(r.model, '') AS model,
    coalesce(r.task, '') AS task, coalesce(json_extract(r.other, '$.tag'), '') AS tag,
    e.requests - coalesce(x.requests, 0) AS requests,
    e.input_tokens - coalesce(x.input_tokens, 0) AS input_tokens,
    e.output_tokens - coalesce(x.output_tokens, 0) AS output_tokens,
    e.nano_usd - coalesce(x.nano_usd, 0) AS nano_usd,
    e.millis - coalesce(x.millis, 0) AS millis,
    coalesce(o.nano_usd, 0) AS overrun_nano_usd,
    e.requests * (e.kind = 6 OR e.estimated) - coalesce(x.requests, 0) AS estimated
FROM entries e
    JOIN entries r ON r.seq = e.reserve_seq
    LEFT JOIN entries x ON e.kind IN (4, 5) AND x.link = e.link AND x.kind = 6
    LEFT JOIN entries o ON o.seq = e.seq + 1 AND o.kind = 7
WHERE e.kind IN (4, 6) OR (e.kind = 5 AND e.link IS NOT NULL);
CREATE VIEW ledger AS
SELECT e.seq, k.name AS kind, lower(hex(e.id)) AS id,
    strftime('%Y-%m-%dT%H:%M:%SZ', e.wall / 1000000000, 'unixepoch') AS time,
    e.requests, e.input_tokens, e.output_tokens, e.nano_usd / 1e9 AS usd,
    e.millis / 1e3 AS seconds,
    coalesce(e.user, r.user) AS user, coalesce(e.session, r.session) AS session,
    coalesce(e.team, r.team) AS team, coalesce(e.tier, r.tier) AS tier,
    coalesce(e.key, r.key) AS key, coalesce(e.provider, r.provider) AS provider,
    coalesce(e.model, r.model) AS model, coalesce(e.task, r.task) AS task,
    coalesce(e.other, r.other) AS other, e.estimated
FROM entries e JOIN kinds k ON k.kind = e.kind LEFT JOIN entries r ON r.seq = e.reserve_seq;
CREATE VIEW ledger_charges AS
SELECT e.seq, k.name AS kind, lower(hex(e.id)) AS id, l.name AS limit_name, c.key, r.unit,
    r.cap, json_extract(j.value, '$[2]') AS held, json_extract(j.value, '$[3]') AS used
FROM entries e JOIN kinds k ON k.kind = e.kind, json_each(e.charges) j
    JOIN rules r ON r.id = json_extract(j.value, '$[1]')
    JOIN cells c ON c.number = json_extract(j.value, '$[0]')
    LEFT JOIN limits l ON l.id = r.limit_id
WHERE e.kind IN (1, 2, 4, 5, 6);
COMMIT;
PRAGMA application_id = 1416588396;
PRAGMA user_version = 2;
