-- What each end of a reservation adds to the sums: what was settled, or had been reserved where
-- it expired. A settlement that comes after the expiry adds the difference, to the same hour.
-- `hour` counts from the Unix epoch, on the wall clock. `estimated` counts the requests that
-- were charged by what was thought, since nobody told what they used. What stands for holds that
-- a crash may have lost is not spent by anybody.
CREATE VIEW spent AS
SELECT e.seq, coalesce(x.wall, e.end_wall, e.wall) / 3600000000000 AS hour,
    coalesce(r.user, '') AS user, coalesce(r.key, '') AS key, coalesce(r.team, '') AS team,
    coalesce(json_extract(r.other, '$.customer'), '') AS customer,
    coalesce(r.provider, '') AS provider, coalesce(r.model, '') AS model,
    coalesce(r.task, '') AS task, coalesce(json_extract(r.other, '$.tag'), '') AS tag,
    coalesce(e.used_requests, e.requests) - coalesce(x.requests, 0) AS requests,
    coalesce(e.used_input_tokens, e.input_tokens) - coalesce(x.input_tokens, 0) AS input_tokens,
    coalesce(e.used_output_tokens, e.output_tokens) - coalesce(x.output_tokens, 0)
        AS output_tokens,
    coalesce(e.used_nano_usd, e.nano_usd) - coalesce(x.nano_usd, 0) AS nano_usd,
    coalesce(e.used_millis, e.millis) - coalesce(x.millis, 0) AS millis,
    coalesce(o.nano_usd, 0) AS overrun_nano_usd,
    coalesce(e.used_requests, e.requests) * (e.kind = 6 OR e.estimated)
        - coalesce(x.requests, 0) AS estimated
FROM entries e
    JOIN entries r ON r.seq = e.reserve_seq
    LEFT JOIN entries x ON e.kind IN (4, 5) AND x.link = e.link AND x.kind = 6
    LEFT JOIN entries o ON o.seq = coalesce(e.end_seq, e.seq) + 1 AND o.kind = 7
WHERE (e.kind IN (4, 6, 9) OR (e.kind = 5 AND e.link IS NOT NULL))
    AND NOT (r.kind = 1 AND r.estimated);
