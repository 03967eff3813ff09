-- One row per user. The silos write id, version, epoch and state; the other columns are derived from state, for people
-- and reports to query and index.
CREATE TABLE users (
    id           text        PRIMARY KEY,
    version      bigint      NOT NULL,
    epoch        bigint      NOT NULL,
    state        jsonb       NOT NULL,
    deleted      boolean     GENERATED ALWAYS AS (coalesce((state ->> 'deleted')::boolean, false)) STORED,
    display_name text        GENERATED ALWAYS AS (state ->> 'displayName') STORED,
    email        text        GENERATED ALWAYS AS (state ->> 'email') STORED,
    created_at   timestamptz GENERATED ALWAYS AS (to_timestamp((state ->> 'createdAt')::bigint / 1000.0)) STORED,
    updated_at   timestamptz GENERATED ALWAYS AS (to_timestamp((state ->> 'updatedAt')::bigint / 1000.0)) STORED
);

COMMENT ON COLUMN users.version IS 'Grows by one with every change; a write never replaces the same or a later version.';
COMMENT ON COLUMN users.epoch IS 'The ownership (grain activation) that made this version.';
COMMENT ON COLUMN users.state IS 'The user, and the request ids remembered for it. createdAt and updatedAt in ms since 1970.';
