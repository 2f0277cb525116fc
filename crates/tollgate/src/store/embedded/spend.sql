-- What was used, summed up by the hour, so that questions about long times are cheap.

-- The rows that a reservation has several of, by its own row.
CREATE INDEX links ON entries (link) WHERE link IS NOT NULL;

-- What each end of a reservation adds to the sums: what was settled, or had been reserved where
-- it expired. A settlement that comes after the expiry adds the difference, to the same hour.
-- `hour` counts from the Unix epoch, on the wall clock. `estimated` counts the requests that
-- were charged by what was thought, since nobody told what they used.
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

-- The sums of `spent` up to row `rolled`. Of an hour with very many combinations, the names of
-- the later ones are kept as '(others)'.
CREATE TABLE spend (
    hour INTEGER NOT NULL, user TEXT NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL,
    customer TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, task TEXT NOT NULL,
    tag TEXT NOT NULL,
    requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL, millis INTEGER NOT NULL, overrun_nano_usd INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    PRIMARY KEY (hour, user, key, team, customer, provider, model, task, tag)
) WITHOUT ROWID;
