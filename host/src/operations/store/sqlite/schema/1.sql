-- Who has the file: how often it was opened, and whether it was not closed since.
CREATE TABLE state (
    edition INTEGER NOT NULL,
    open INTEGER NOT NULL
) STRICT;
INSERT INTO state (edition, open) VALUES (0, 0);

-- `record` is the operation; the rest is in it too, for what is looked for. `seq` is the order of acceptance; times are
-- milliseconds since 1970; a digest is the beginning of the SHA-256 of what it stands beside.
CREATE TABLE operations (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    in_turn INTEGER NOT NULL,
    replaceable INTEGER NOT NULL,
    due INTEGER NOT NULL,
    settled INTEGER,
    cluster TEXT NOT NULL,
    release TEXT,
    actor TEXT NOT NULL,
    hook TEXT,
    notice INTEGER NOT NULL,
    digest BLOB NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX operations_in_turn ON operations (lane, seq) WHERE in_turn = 1;
CREATE INDEX operations_replaceable ON operations (lane, seq) WHERE replaceable = 1;
CREATE INDEX operations_settled ON operations (settled) WHERE settled IS NOT NULL;
CREATE INDEX operations_by_release ON operations (cluster, release, id);
CREATE INDEX operations_by_state ON operations (state, id);
CREATE INDEX operations_by_actor ON operations (actor, id);
CREATE INDEX operations_by_hook ON operations (hook, id) WHERE hook IS NOT NULL;

-- Of operations that have one.
CREATE TABLE bodies (
    seq INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TRIGGER operations_gone AFTER DELETE ON operations
BEGIN DELETE FROM bodies WHERE seq = OLD.seq; END;

CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    expires INTEGER NOT NULL,
    digest BLOB NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_by_expiry ON keys (expires);

CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    hook TEXT NOT NULL,
    id TEXT NOT NULL,
    received INTEGER NOT NULL,
    digest BLOB NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (hook, id)
) STRICT;
CREATE INDEX deliveries_by_age ON deliveries (received);

CREATE TABLE payloads (
    seq INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE TRIGGER deliveries_gone AFTER DELETE ON deliveries
BEGIN DELETE FROM payloads WHERE seq = OLD.seq; END;
