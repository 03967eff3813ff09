namespace Actors.Harness;

/// <summary>
/// Makes each statement that writes users take a second longer, whatever it writes: the transaction holds its locks and its
/// session as it would while it waits for a busy disk. Reads are as fast as ever.
/// </summary>
internal static class SlowTable
{
    public const string Begin = """
        CREATE OR REPLACE FUNCTION harness_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
        CREATE OR REPLACE TRIGGER harness_slow BEFORE INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION harness_slow()
        """;

    public const string End = "DROP TRIGGER IF EXISTS harness_slow ON users";
}
