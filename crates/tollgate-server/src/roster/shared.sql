-- What format 6 added to the fifth: what several nodes have in common.

-- What was changed here and other nodes were not told: `item` names it as a list in JSON, `seq` is
-- the row of the audit that tells of it. `at` is there where it was told before and is to be again.
CREATE TABLE untold (item TEXT PRIMARY KEY, seq INTEGER, at INTEGER) WITHOUT ROWID;

-- What all nodes know: when an item was changed last, in microseconds by the clock of all.
CREATE TABLE told (item TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

-- Whatever changes an item, whichever process does, it is to be told.
CREATE VIEW telling AS SELECT '' AS item;
CREATE TRIGGER tell INSTEAD OF INSERT ON telling BEGIN
    DELETE FROM untold WHERE item = new.item;
    INSERT INTO untold VALUES (new.item, NULL, NULL);
END;
CREATE TRIGGER key_made AFTER INSERT ON keys BEGIN
    INSERT INTO telling VALUES (json_array('key', new.id));
END;
CREATE TRIGGER key_changed AFTER UPDATE ON keys BEGIN
    INSERT INTO telling VALUES (json_array('key', new.id));
END;
CREATE TRIGGER key_gone AFTER DELETE ON keys BEGIN
    INSERT INTO telling VALUES (json_array('key', old.id));
END;
CREATE TRIGGER secret_made AFTER INSERT ON secrets BEGIN
    INSERT INTO telling VALUES (json_array('key', new.key));
END;
CREATE TRIGGER secret_changed AFTER UPDATE ON secrets BEGIN
    INSERT INTO telling VALUES (json_array('key', new.key));
END;
CREATE TRIGGER secret_gone AFTER DELETE ON secrets BEGIN
    INSERT INTO telling VALUES (json_array('key', old.key));
END;
CREATE TRIGGER own_made AFTER INSERT ON provider_keys BEGIN
    INSERT INTO telling VALUES (json_array('key', new.key));
END;
CREATE TRIGGER own_gone AFTER DELETE ON provider_keys BEGIN
    INSERT INTO telling VALUES (json_array('key', old.key));
END;
CREATE TRIGGER tier_made AFTER INSERT ON tiers BEGIN
    INSERT INTO telling VALUES (json_array('tier', new.user));
END;
CREATE TRIGGER tier_gone AFTER DELETE ON tiers BEGIN
    INSERT INTO telling VALUES (json_array('tier', old.user));
END;
CREATE TRIGGER override_made AFTER INSERT ON overrides BEGIN
    INSERT INTO telling VALUES (json_array('override', new.of, new.name, new.limit_name));
END;
CREATE TRIGGER override_gone AFTER DELETE ON overrides BEGIN
    INSERT INTO telling VALUES (json_array('override', old.of, old.name, old.limit_name));
END;
CREATE TRIGGER circuit_made AFTER INSERT ON circuits BEGIN
    INSERT INTO telling VALUES (json_array('circuit', new.provider, new.model));
END;
CREATE TRIGGER circuit_gone AFTER DELETE ON circuits BEGIN
    INSERT INTO telling VALUES (json_array('circuit', old.provider, old.model));
END;
CREATE TRIGGER emergency_made AFTER INSERT ON emergency BEGIN
    INSERT INTO telling VALUES (json_array('emergency'));
END;
CREATE TRIGGER emergency_changed AFTER UPDATE ON emergency BEGIN
    INSERT INTO telling VALUES (json_array('emergency'));
END;

-- What a roster of an older format has.
INSERT INTO telling SELECT json_array('key', id) FROM keys;
INSERT INTO telling SELECT json_array('tier', user) FROM tiers;
INSERT INTO telling SELECT json_array('override', of, name, limit_name) FROM overrides;
INSERT INTO telling SELECT json_array('circuit', provider, model) FROM circuits;
INSERT INTO telling SELECT json_array('emergency') FROM emergency;
