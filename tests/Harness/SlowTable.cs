namespace Actors.Harness;

/// <summary>
/// Delays each statement that writes users by a second: the transaction holds its locks and session, as on a busy disk. Reads
/// are not delayed.
/// </summary>
internal static class SlowTable
{
    public const string Begin = """
        CREATE OR REPLACE FUNCTION harness_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
        CREATE OR REPLACE TRIGGER harness_slow BEFORE INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION harness_slow()
        """;

    public const string End = "DROP TRIGGER IF EXISTS harness_slow ON users";
}
