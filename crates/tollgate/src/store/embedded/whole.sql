-- Whole reservations: one that began and was settled in one group has one row, of kind 9. It has
-- all that its reserve row would have; `charges` is as in an end's row; `end_seq`, `end_at`,
-- `end_wall` and the used amounts are what its settle row would tell, and `estimated` is that
-- row's. Its `reserve_seq` is its own number.
INSERT INTO kinds VALUES (9, 'whole');
ALTER TABLE entries ADD COLUMN end_seq INTEGER;
ALTER TABLE entries ADD COLUMN end_at INTEGER;
ALTER TABLE entries ADD COLUMN end_wall INTEGER;
ALTER TABLE entries ADD COLUMN used_requests INTEGER;
ALTER TABLE entries ADD COLUMN used_input_tokens INTEGER;
ALTER TABLE entries ADD COLUMN used_output_tokens INTEGER;
ALTER TABLE entries ADD COLUMN used_nano_usd INTEGER;
ALTER TABLE entries ADD COLUMN used_millis INTEGER;

-- What happened, one row for each number, whole reservations told as the two rows that they
-- stand for.
CREATE VIEW events AS
SELECT seq, iif(kind = 9, 1, kind) AS kind, id, iif(kind = 9, NULL, reserve_seq) AS reserve_seq,
    at, wall, requests, input_tokens, output_tokens, nano_usd, millis, expires, keep, charges,
    user, session, team, tier, key, provider, model, task, other, link,
    iif(kind = 9, 0, estimated) AS estimated
FROM entries
UNION ALL
SELECT end_seq, 4, id, seq, end_at, end_wall, used_requests, used_input_tokens,
    used_output_tokens, used_nano_usd, used_millis, NULL, 0, charges,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, estimated
FROM entries WHERE kind = 9;
