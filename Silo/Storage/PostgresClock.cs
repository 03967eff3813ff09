using Actors.Resilience;
using Npgsql;

namespace Actors.Silo.Storage;

/// <summary>The clock of the database server.</summary>
/// <param name="connectionString">How to reach it.</param>
/// <param name="name">Where it is, without secrets.</param>
internal sealed class PostgresClock(string connectionString, string name) : IReferenceClock
{
    private readonly string _connectionString = new NpgsqlConnectionStringBuilder(connectionString)
    {
        ApplicationName = "actors-clock",
        Pooling = false,
        Timeout = 3,
        CommandTimeout = 3,
    }.ConnectionString;

    public string Name => name;

    public async Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection(_connectionString);
            await connection.OpenAsync(cancellationToken);

            // The connecting is over, so the answer's way is short.
            await using var command = new NpgsqlCommand("SELECT clock_timestamp()", connection);
            return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(cancellationToken))!);
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            throw new StorageUnavailableException("the database", $"{name} does not tell its time: {error.Message}");
        }
    }
}
