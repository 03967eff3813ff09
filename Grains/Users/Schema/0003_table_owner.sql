-- Which service the tables belong to, in one row. In the schema of users, which need not be the first of the search path:
-- two clusters that see one table users then see one owner as well.
DO $$
DECLARE
    home text := (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'users'::regclass);
BEGIN
    EXECUTE format('
        CREATE TABLE IF NOT EXISTS %1$I.table_owner (
            only_one   boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
            service_id text        NOT NULL,
            claimed_at timestamptz NOT NULL
        );
        COMMENT ON TABLE %1$I.table_owner IS ''The service (Actors:ServiceId) that users and parked belong to.'';', home);
END
$$;
