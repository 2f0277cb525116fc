-- The roster, format 1 and what was added since: who may ask for what, beside the ledger that tells who did.
--
-- Times are milliseconds of the wall since the Unix epoch. No text of a key is in here: only
-- keyed hashes of Tollgate's own, and providers' keys sealed. `keyed_by` tells from which secret
-- the key of a hash or a seal was made.

-- Keys, also those that were revoked. `terms` is JSON: whom a key names and what it may.
CREATE TABLE keys (
    id TEXT PRIMARY KEY, terms TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER,
    revoked INTEGER
) WITHOUT ROWID;

-- What is presented as a key. After a rotation the old ones work until they end.
CREATE TABLE secrets (
    hash BLOB PRIMARY KEY, key TEXT NOT NULL REFERENCES keys ON DELETE CASCADE,
    created INTEGER NOT NULL, ends INTEGER, keyed_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX secrets_of ON secrets (key);

-- Providers' keys of single callers, sent instead of the policy's.
CREATE TABLE provider_keys (
    key TEXT NOT NULL REFERENCES keys ON DELETE CASCADE, provider TEXT NOT NULL,
    sealed BLOB NOT NULL, keyed_by TEXT NOT NULL, attached INTEGER NOT NULL,
    PRIMARY KEY (key, provider)
) WITHOUT ROWID;

-- Users' tiers, which stand before what keys and callers say.
CREATE TABLE tiers (user TEXT PRIMARY KEY, tier TEXT NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;

-- Amounts of single limits for one caller each. `of` is user, key, team or session, `name` who.
CREATE TABLE overrides (
    of TEXT NOT NULL, name TEXT NOT NULL, limit_name TEXT NOT NULL, amount TEXT NOT NULL,
    until INTEGER, since INTEGER NOT NULL, PRIMARY KEY (of, name, limit_name)
) WITHOUT ROWID;

-- Who changed what and when. `hash` is of the row and of the hash before it, so that no row can
-- be changed, taken out or put in without all after it being made anew.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL
);
