-- What format 3 added to the second.

-- Circuits that were not closed when this was last written, by which `address` their provider
-- had: open until `until`, as of `saved`. A process that starts leaves them so.
CREATE TABLE opened (
    provider TEXT NOT NULL, model TEXT NOT NULL, address TEXT NOT NULL, until INTEGER NOT NULL,
    saved INTEGER NOT NULL, PRIMARY KEY (provider, model)
) WITHOUT ROWID;
