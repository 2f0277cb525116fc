
-- What may be held of an account before the row that says so is on the disk. A crash leaves them,
-- and what was granted counts as used then; a stop does not.
CREATE TABLE grants (
    cell INTEGER NOT NULL, limit_id INTEGER NOT NULL, rule INTEGER NOT NULL,
    amount INTEGER NOT NULL, PRIMARY KEY (cell, limit_id)
) WITHOUT ROWID;
