-- Which service (Actors:ServiceId) the tables belong to, in one row, as in PostgreSQL.
CREATE TABLE table_owner (
    only_one   INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    service_id TEXT    NOT NULL,
    claimed_at TEXT    NOT NULL
);
