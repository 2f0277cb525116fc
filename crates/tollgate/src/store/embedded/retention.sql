
-- What is left of old reservations, whose rows are gone: the sums of each account. `ever` is what
-- of it counts in a budget that never begins anew. Ended reservations up to row `compacted` of
-- `meta` are in here, the others up to it are still rows.
CREATE TABLE summaries (
    cell INTEGER NOT NULL, limit_id INTEGER NOT NULL, rule INTEGER NOT NULL,
    reserved INTEGER NOT NULL, settled INTEGER NOT NULL, released INTEGER NOT NULL,
    expired INTEGER NOT NULL, overrun INTEGER NOT NULL, ever INTEGER NOT NULL,
    PRIMARY KEY (cell, limit_id)
) WITHOUT ROWID;

-- How many rows of each kind are gone, and the sums of their amounts.
CREATE TABLE totals (
    kind INTEGER PRIMARY KEY, count INTEGER NOT NULL, requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL,
    millis INTEGER NOT NULL
);

-- Hours of `spend` before `folded` are summed up by the day, and by provider and model alone.
INSERT INTO meta VALUES ('compacted', 0), ('folded', 0);
