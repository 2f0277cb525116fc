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
INSERT INTO "entries" VALUES(1,1,X'01A22C506DDE7C7FB8E43B34E22DC56F',NULL,1796039798238945615,1796039798238945627,1,21,20,16200,0,1796040398238945615,0,'[[1,1,1],[1,2,1],[1,3,1],[1,4,16200],[2,5,1],[2,6,1],[2,7,16200]]','u1',NULL,NULL,NULL,NULL,'sandbox','sandbox',NULL,'{"customer":"acme"}',NULL,0);
INSERT INTO "entries" VALUES(2,4,X'01A22C506DDE7C7FB8E43B34E22DC56F',1,1796039798751651136,1796039798751650776,1,2,20,12400,0,NULL,0,'[[1,1,1,1],[1,2,1,1],[1,3,1,1],[1,4,16200,12400],[2,5,1,1],[2,6,1,1],[2,7,16200,12400]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(3,1,X'01A22C5070657F01909D6F3CA3B671EC',NULL,1796039798885951757,1796039798885951065,1,21,20,16200,0,1796040398885951757,0,'[[3,1,1],[3,2,1],[3,3,1],[3,4,16200],[2,5,1],[2,6,1],[2,7,16200]]','u0',NULL,NULL,NULL,NULL,'sandbox','sandbox',NULL,'{"customer":"acme"}',NULL,0);
INSERT INTO "entries" VALUES(4,4,X'01A22C5070657F01909D6F3CA3B671EC',3,1796039799403721608,1796039799403720695,1,2,20,12400,0,NULL,0,'[[3,1,1,1],[3,2,1,1],[3,3,1,1],[3,4,16200,12400],[2,5,1,1],[2,6,1,1],[2,7,16200,12400]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(5,1,X'01A22C5072A279498810A89DD67F1946',NULL,1796039799458676040,1796039799458674722,1,21,30,22200,0,1796040399458676040,0,'[[1,1,1],[1,2,1],[1,3,1],[1,4,22200],[2,5,1],[2,6,1],[2,7,22200]]','u1',NULL,NULL,NULL,NULL,'sandbox','sandbox',NULL,'{"customer":"acme"}',NULL,0);
INSERT INTO "entries" VALUES(6,4,X'01A22C5072A279498810A89DD67F1946',5,1796039800006464240,1796039800006462678,1,2,20,12400,0,NULL,0,'[[1,1,1,1],[1,2,1,1],[1,3,1,1],[1,4,22200,12400],[2,5,1,1],[2,6,1,1],[2,7,22200,12400]]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "entries" VALUES(7,1,X'01A22C5075A6777D90030AFB25E50A67',NULL,1796039800230556622,1796039800230554647,1,26,250,155200,0,1796040400230556622,0,'[[1,1,1],[1,2,1],[1,3,1],[1,4,155200],[2,5,1],[2,6,1],[2,7,155200]]','u1',NULL,NULL,NULL,NULL,'sandbox','sandbox',NULL,NULL,NULL,0);
CREATE TABLE grants (
    cell INTEGER NOT NULL, limit_id INTEGER NOT NULL, rule INTEGER NOT NULL,
    amount INTEGER NOT NULL, PRIMARY KEY (cell, limit_id)
) WITHOUT ROWID;
INSERT INTO "grants" VALUES(1,-2246425498674396208,4,1241600);
INSERT INTO "grants" VALUES(1,3943416651963629978,3,5);
INSERT INTO "grants" VALUES(2,-5872769111977693640,7,1241600);
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
INSERT INTO "limits" VALUES(-5943019390524291126,'key-budget-month','key','$0 per calendar month');
INSERT INTO "limits" VALUES(-5872769111977693640,'global-spend','','$100 per calendar day');
INSERT INTO "limits" VALUES(-2931163593015754284,'global-hour','','1000 requests per hour');
INSERT INTO "limits" VALUES(-2246425498674396208,'user-spend','user','$5 per calendar day');
INSERT INTO "limits" VALUES(855853828527127298,'key-budget-total','key','$0 in all');
INSERT INTO "limits" VALUES(3943416651963629978,'user-day','user','500 requests per day');
INSERT INTO "limits" VALUES(4048796866849053612,'user-hour','user','100 requests per hour');
INSERT INTO "limits" VALUES(4501416028707041519,'global-slots','','100 at once');
INSERT INTO "limits" VALUES(8041062839227938246,'user-minute','user','10 requests per minute');
INSERT INTO "limits" VALUES(8426303290632446474,'key-budget-day','key','$0 per calendar day');
INSERT INTO "limits" VALUES(9180279703704678114,'key-budget-week','key','$0 per calendar week');
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('compacted',0);
INSERT INTO "meta" VALUES('folded',0);
INSERT INTO "meta" VALUES('latest',0);
INSERT INTO "meta" VALUES('replay_from',1);
INSERT INTO "meta" VALUES('rolled',5);
CREATE TABLE outstanding (id BLOB PRIMARY KEY, rows TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rules (
    id INTEGER PRIMARY KEY, limit_id INTEGER NOT NULL, unit TEXT NOT NULL, kind TEXT NOT NULL,
    cap INTEGER NOT NULL, shadow INTEGER NOT NULL
);
INSERT INTO "rules" VALUES(1,8041062839227938246,'requests','{"window":{"length_ns":60000000000}}',10,0);
INSERT INTO "rules" VALUES(2,4048796866849053612,'requests','{"window":{"length_ns":3600000000000}}',100,0);
INSERT INTO "rules" VALUES(3,3943416651963629978,'requests','{"window":{"length_ns":86400000000000}}',500,0);
INSERT INTO "rules" VALUES(4,-2246425498674396208,'usd','{"period":{"start":1795996800000000000,"end":1796083200000000000}}',5000000000,0);
INSERT INTO "rules" VALUES(5,4501416028707041519,'requests','"concurrency"',100,0);
INSERT INTO "rules" VALUES(6,-2931163593015754284,'requests','{"window":{"length_ns":3600000000000}}',1000,0);
INSERT INTO "rules" VALUES(7,-5872769111977693640,'usd','{"period":{"start":1795996800000000000,"end":1796083200000000000}}',100000000000,0);
CREATE TABLE spend (
    hour INTEGER NOT NULL, user TEXT NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL,
    customer TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, task TEXT NOT NULL,
    tag TEXT NOT NULL,
    requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL, millis INTEGER NOT NULL, overrun_nano_usd INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    PRIMARY KEY (hour, user, key, team, customer, provider, model, task, tag)
) WITHOUT ROWID;
INSERT INTO "spend" VALUES(498899,'u0','','','acme','sandbox','sandbox','','',1,2,20,12400,0,0,0);
INSERT INTO "spend" VALUES(498899,'u1','','','acme','sandbox','sandbox','','',1,2,20,12400,0,0,0);
CREATE TABLE summaries (
    cell INTEGER NOT NULL, limit_id INTEGER NOT NULL, rule INTEGER NOT NULL,
    reserved INTEGER NOT NULL, settled INTEGER NOT NULL, released INTEGER NOT NULL,
    expired INTEGER NOT NULL, overrun INTEGER NOT NULL, ever INTEGER NOT NULL,
    PRIMARY KEY (cell, limit_id)
) WITHOUT ROWID;
CREATE TABLE totals (
    kind INTEGER PRIMARY KEY, count INTEGER NOT NULL, requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL,
    millis INTEGER NOT NULL
);
CREATE INDEX kept ON entries (
    seq, kind, keep, id, requests, input_tokens, output_tokens, nano_usd, millis
) WHERE keep = 1 AND kind IN (4, 5);
CREATE INDEX overruns ON entries (
    seq, kind, requests, input_tokens, output_tokens, nano_usd, millis
) WHERE kind = 7;
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
WHERE (e.kind IN (4, 6) OR (e.kind = 5 AND e.link IS NOT NULL)) AND NOT r.estimated;
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
PRAGMA user_version = 3;
