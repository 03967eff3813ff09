using Actors.Redis;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>The clock of the database server. Safe for concurrent use.</summary>
public sealed class PostgresClock : IReferenceClock, IAsyncDisposable
{
    private readonly PostgresConnections _connections;

    /// <param name="connectionString">The connection string of the server, as for <see cref="PostgresRowStore"/>.</param>
    /// <param name="name">The address of the server, without secrets.</param>
    public PostgresClock(string connectionString, string name)
    {
        Name = name;

        // A connection of its own: waiting for a pooled one would delay the answer. Multiplexing requires a pool.
        _connections = new PostgresConnections(new NpgsqlConnectionStringBuilder(connectionString)
        {
            ApplicationName = "actors-clock",
            Multiplexing = false,
            Pooling = false,
            Timeout = 3,
            CommandTimeout = 3,
        }.ConnectionString);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public async Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await _connections.Source.OpenConnectionAsync(cancellationToken);

            // The connection is open, so the answer takes one short round trip.
            await using var command = new NpgsqlCommand("SELECT clock_timestamp()", connection);
            return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(cancellationToken))!);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StorageUnavailableException("the database", $"{Name} did not return its time: {error.Message}");
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _connections.DisposeAsync();
}
