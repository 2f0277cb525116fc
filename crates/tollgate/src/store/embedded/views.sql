-- What people read.

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
FROM events e JOIN kinds k ON k.kind = e.kind LEFT JOIN entries r ON r.seq = e.reserve_seq;

CREATE VIEW ledger_charges AS
SELECT e.seq, k.name AS kind, lower(hex(e.id)) AS id, l.name AS limit_name, c.key, r.unit,
    r.cap, json_extract(j.value, '$[2]') AS held,
    iif(e.kind < 3, NULL, json_extract(j.value, '$[3]')) AS used
FROM events e JOIN kinds k ON k.kind = e.kind, json_each(e.charges) j
    JOIN rules r ON r.id = json_extract(j.value, '$[1]')
    JOIN cells c ON c.number = json_extract(j.value, '$[0]')
    LEFT JOIN limits l ON l.id = r.limit_id
WHERE e.kind IN (1, 2, 4, 5, 6);
