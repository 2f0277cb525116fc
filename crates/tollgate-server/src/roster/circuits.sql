-- What format 2 added to the first.

-- Circuits that operators have forced: of one model, or of all of a provider's where `model` is
-- empty. `mode` is open, closed or observe.
CREATE TABLE circuits (
    provider TEXT NOT NULL, model TEXT NOT NULL, mode TEXT NOT NULL, reason TEXT,
    since INTEGER NOT NULL, PRIMARY KEY (provider, model)
) WITHOUT ROWID;
