-- One row per user, as in PostgreSQL. The other columns are derived from state, for people and reports to query.
CREATE TABLE users (
    id           TEXT    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (json_valid(state)),
    deleted      INTEGER GENERATED ALWAYS AS (coalesce(json_extract(state, '$.deleted'), 0)) VIRTUAL,
    display_name TEXT    GENERATED ALWAYS AS (json_extract(state, '$.displayName')) VIRTUAL,
    email        TEXT    GENERATED ALWAYS AS (json_extract(state, '$.email')) VIRTUAL,
    created_at   TEXT    GENERATED ALWAYS AS
        (strftime('%Y-%m-%d %H:%M:%f', json_extract(state, '$.createdAt') / 1000.0, 'unixepoch') || '+00:00') VIRTUAL,
    updated_at   TEXT    GENERATED ALWAYS AS
        (strftime('%Y-%m-%d %H:%M:%f', json_extract(state, '$.updatedAt') / 1000.0, 'unixepoch') || '+00:00') VIRTUAL
) WITHOUT ROWID;
