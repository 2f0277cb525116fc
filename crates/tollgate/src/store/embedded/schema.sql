-- The embedded ledger, format 4. Rows of `entries` are only ever added. The checkpoints say how
-- far an account's history need not be read again, and `spend.sql` sums up what was used.
--
-- Times are nanoseconds since the Unix epoch: `at` on the engine's clock, which never runs
-- backwards, `wall` on the wall. Money is nano-dollars. Ids of limits and scopes are 64-bit
-- hashes of their names.

CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('replay_from', 1), ('latest', 0), ('rolled', 0);

CREATE TABLE kinds (kind INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO kinds VALUES
    (1, 'reserve'), (2, 'extend'), (3, 'renew'), (4, 'settle'), (5, 'void'), (6, 'expire'),
    (7, 'overrun'), (8, 'end_session');

-- The limits of every policy that was in force, as they were last described.
CREATE TABLE limits (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, per TEXT NOT NULL, description TEXT NOT NULL
);

-- Every rule that a charge was held under. `kind` is JSON.
CREATE TABLE rules (
    id INTEGER PRIMARY KEY, limit_id INTEGER NOT NULL, unit TEXT NOT NULL, kind TEXT NOT NULL,
    cap INTEGER NOT NULL, shadow INTEGER NOT NULL
);

-- Who has accounts: the values of a scope's attributes. One key can have several numbers, one
-- after the other, since idle ones are forgotten.
CREATE TABLE cells (number INTEGER PRIMARY KEY, scope INTEGER NOT NULL, key TEXT NOT NULL);

-- What happened. `charges` is a JSON array: [cell, rule, amount] for what was reserved or
-- extended, [cell, rule, held, used] for what ended, [cell, limit] for an ended session.
-- The amounts of a settle row are all that was charged; an overrun row after it says what of
-- that is more than was reserved. `reserve_seq` is the row of the reservation. `link` is the same
-- number where a reservation can have several such rows: extensions, renewals, an expiry, and
-- the settlement after it. `estimated` marks settlements of which nobody told the true usage, and
-- reservations that stand for what a crash may have lost.
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

-- What a cell held after row `seq`: bytes, or JSON where an older version wrote it.
CREATE TABLE checkpoints (cell INTEGER PRIMARY KEY, seq INTEGER NOT NULL, state TEXT NOT NULL);

-- Reservations that had not ended before row `replay_from`, with their rows.
CREATE TABLE outstanding (id BLOB PRIMARY KEY, rows TEXT NOT NULL) WITHOUT ROWID;
