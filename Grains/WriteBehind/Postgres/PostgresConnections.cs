using System.Globalization;
using System.Net;
using Npgsql;

namespace Actors.WriteBehind;

/// <summary>
/// Connects a silo to PostgreSQL: sets defaults for the connection string, rejects settings that silos cannot use, and connects
/// only to servers that accept writes.
/// </summary>
internal sealed class PostgresConnections : IAsyncDisposable
{
    private const int LeastPoolSize = 2;

    private readonly NpgsqlMultiHostDataSource? _hosts;

    public PostgresConnections(string connectionString)
    {
        var settings = WithDefaults(connectionString);
        var target = settings.TargetSessionAttributes == "primary" ? TargetSessionAttributes.Primary : TargetSessionAttributes.ReadWrite;
        settings.Remove("Target Session Attributes");
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (HasSeveralHosts(settings))
        {
            _hosts = builder.BuildMultiHost();
            Source = _hosts.WithTargetSession(target);
            return;
        }

        builder.UsePhysicalConnectionInitializer(RefuseStandby, RefuseStandbyAsync);
        Source = builder.Build();
    }

    /// <summary>The source of all connections.</summary>
    public NpgsqlDataSource Source { get; }

    /// <summary>The setting that makes a connection string unusable, with what is allowed and without secrets; null if there is none.</summary>
    public static string? FindFault(NpgsqlConnectionStringBuilder settings)
    {
        if (string.IsNullOrEmpty(settings.Host)) return "names no Host; use e.g. Host=localhost;Database=actors;Username=actors;Password=...";
        if (settings.ClientEncoding is { Length: > 0 } client && !IsUtf8(client)) return $"says Client Encoding={client}; use UTF8";
        if (settings.Encoding is { Length: > 0 } encoding && !IsUtf8(encoding)) return $"says Encoding={encoding}; use UTF8";
        return FindPortFault(settings) ?? FindPoolFault(settings) ?? (settings.TargetSessionAttributes is null or "read-write" or "primary"
            ? null
            : $"says Target Session Attributes={settings.TargetSessionAttributes}; use read-write or primary, because silos write");
    }

    /// <summary>Drops the existing connections: idle ones now, others once they are returned.</summary>
    public static void Reconnect(NpgsqlDataSource source)
    {
        source.Clear();
        (source as NpgsqlMultiHostDataSource)?.ClearDatabaseStates();
    }

    /// <inheritdoc cref="Reconnect(NpgsqlDataSource)"/>
    public void Reconnect() => Reconnect(_hosts ?? Source);

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        if (_hosts is not null) await _hosts.DisposeAsync();
    }

    private static string? FindPortFault(NpgsqlConnectionStringBuilder settings)
    {
        if (settings.Port is < 1 or > IPEndPoint.MaxPort) return $"says Port={settings.Port}; use 1 to {IPEndPoint.MaxPort}";
        foreach (var host in settings.Host!.Split(',', StringSplitOptions.TrimEntries))
        {
            // A path is a Unix socket, and a plain IPv6 address has no port.
            var colon = host.StartsWith('/') || IPAddress.TryParse(host, out _) ? -1 : host.LastIndexOf(':');
            if (colon >= 0 && !(ushort.TryParse(host[(colon + 1)..], CultureInfo.InvariantCulture, out var port) && port > 0))
                return $"says Host={settings.Host}; use hosts separated by commas, each with an optional port of 1 to {IPEndPoint.MaxPort}";
        }

        return null;
    }

    private static string? FindPoolFault(NpgsqlConnectionStringBuilder settings)
    {
        var size = WithDefaults(settings.ConnectionString).MaxPoolSize;
        if (!settings.Pooling) return null;
        if (size < LeastPoolSize) return $"says Maximum Pool Size={size}; use {LeastPoolSize} or more, because a migration uses two";
        return settings.MinPoolSize > size
            ? $"says Minimum Pool Size={settings.MinPoolSize}, which is more than Maximum Pool Size={size}; use 0 to {size}, or a larger Maximum Pool Size"
            : null;
    }

    private static bool HasSeveralHosts(NpgsqlConnectionStringBuilder settings) => settings.Host?.Contains(',', StringComparison.Ordinal) == true;

    private static bool IsUtf8(string encoding) =>
        encoding.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).ToUpperInvariant() is "UTF8" or "UNICODE";

    private static NpgsqlConnectionStringBuilder WithDefaults(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        if (!settings.ShouldSerialize("Timeout"))
            settings.Timeout = 5;
        if (!settings.ShouldSerialize("Command Timeout"))
            settings.CommandTimeout = 10;

        // There are few statements. Prepared, a batch of thousands of rows needs no parsing and planning.
        if (!settings.ShouldSerialize("Max Auto Prepare"))
        {
            settings.MaxAutoPrepare = 10;
            settings.AutoPrepareMinUsages = 2;
        }

        // Many activations may read at once. They share a small pool, so that a few silos do not exhaust the server's connections.
        if (!settings.ShouldSerialize("Maximum Pool Size"))
            settings.MaxPoolSize = 20;
        if (!settings.ShouldSerialize("Application Name"))
            settings.ApplicationName = "actors";

        // Set explicitly, so that PGCLIENTENCODING or a setting of the role does not apply.
        settings.ClientEncoding = "UTF8";
        return settings;
    }

    // A standby answers reads with stale data. Checked once per connection: a server becomes a standby only by a restart.
    private static void RefuseStandby(NpgsqlConnection connection)
    {
        if (IsStandby(connection) is { } known)
        {
            Refuse(known);
            return;
        }

        using var command = new NpgsqlCommand("SELECT pg_is_in_recovery()", connection);
        Refuse(command.ExecuteScalar() is true);
    }

    private static async Task RefuseStandbyAsync(NpgsqlConnection connection)
    {
        if (IsStandby(connection) is { } known)
        {
            Refuse(known);
            return;
        }

        await using var command = new NpgsqlCommand("SELECT pg_is_in_recovery()", connection);
        Refuse(await command.ExecuteScalarAsync() is true);
    }

    // Servers from version 14 on report this at connect, unless a pooler hides it.
    private static bool? IsStandby(NpgsqlConnection connection) =>
        connection.PostgresParameters.TryGetValue("in_hot_standby", out var value) ? value == "on" : null;

    private static void Refuse(bool isStandby)
    {
        if (isStandby) throw new NpgsqlException("The server is a standby (in recovery), which accepts no writes.");
    }
}
