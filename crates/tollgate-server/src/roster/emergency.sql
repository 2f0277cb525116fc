-- What format 5 added to the fourth.

-- The last emergency, one row: in force from `since` on, until `until` or until it was `ended`.
-- `how` says by what it ended: off or expired; while nobody has noted an end there is none.
CREATE TABLE emergency (
    id INTEGER PRIMARY KEY CHECK (id = 1), since INTEGER NOT NULL, until INTEGER NOT NULL,
    who TEXT NOT NULL, reason TEXT, downgrade INTEGER NOT NULL, ended INTEGER, how TEXT
);
