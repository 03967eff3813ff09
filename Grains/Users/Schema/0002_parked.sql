-- Rows that the table refused for what they hold: durable here, read from here, and replayed once the cause is mended.
CREATE TABLE parked (
    id        text        PRIMARY KEY,
    version   bigint      NOT NULL,
    epoch     bigint      NOT NULL,
    state     bytea       NOT NULL,
    reason    text        NOT NULL,
    parked_at timestamptz NOT NULL
);

COMMENT ON TABLE parked IS 'Rows that users refused. One that users holds in the same or a later version is obsolete.';
COMMENT ON COLUMN parked.state IS 'UTF-8 JSON, as bytes, so that what a column of users cannot take is kept just the same.';
COMMENT ON COLUMN parked.reason IS 'What the database said.';
