-- Makes a ledger of format 1 one of format 2; `spend.sql` and others follow.

DROP VIEW ledger;
DROP VIEW ledger_charges;
ALTER TABLE entries ADD COLUMN link INTEGER;
ALTER TABLE entries ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
UPDATE entries SET link = reserve_seq WHERE kind IN (2, 3, 6);
UPDATE entries SET link = reserve_seq WHERE kind IN (4, 5)
    AND reserve_seq IN (SELECT reserve_seq FROM entries WHERE kind = 6);
INSERT INTO meta VALUES ('rolled', 0);
