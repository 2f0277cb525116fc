-- What was used, summed up by the hour, so that questions about long times are cheap.

-- The rows that a reservation has several of, by its own row.
CREATE INDEX links ON entries (link) WHERE link IS NOT NULL;

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
