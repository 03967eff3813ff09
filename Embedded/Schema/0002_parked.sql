-- Rows that the table refused for what they hold, as in PostgreSQL.
CREATE TABLE parked (
    id        TEXT    NOT NULL PRIMARY KEY,
    version   INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    state     BLOB    NOT NULL,
    reason    TEXT    NOT NULL,
    parked_at TEXT    NOT NULL
) WITHOUT ROWID;
