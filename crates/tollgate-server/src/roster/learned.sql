-- What format 4 added to the third: what was learned, for a process that starts.

-- What providers have left for a model and a key, by which `address` they had; `account` is the
-- start of a keyed hash of the key, 0 for the policy's own. `known` is JSON and means something
-- until `until`, as of `saved`.
CREATE TABLE quotas (
    provider TEXT NOT NULL, model TEXT NOT NULL, account INTEGER NOT NULL, address TEXT NOT NULL,
    known TEXT NOT NULL, until INTEGER NOT NULL, saved INTEGER NOT NULL,
    PRIMARY KEY (provider, model, account)
) WITHOUT ROWID;

-- How much providers read of what requests do not show: `numbers` counts answers by size. A model's
-- own are those of the `caller` that is NULL.
CREATE TABLE lessons (
    caller TEXT, model TEXT NOT NULL, numbers BLOB NOT NULL, saved INTEGER NOT NULL
);
CREATE UNIQUE INDEX lessons_of ON lessons (model, ifnull(caller, ''), caller IS NULL);
