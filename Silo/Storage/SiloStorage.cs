using Actors.Redis;
using Actors.Silo.Configuration;
using Actors.WriteBehind;

namespace Actors.Silo.Storage;

/// <summary>
/// The Redis and the database of this silo. They are those named in <c>ConnectionStrings</c>; a missing one is replaced by the
/// embedded one.
/// </summary>
internal sealed class SiloStorage : IAsyncDisposable
{
#if EMBEDDED
    private const string DataDirectory = $"{SiloSettings.Section}:{nameof(SiloSettings.DataDirectory)}";

#endif
    private readonly IReadOnlyDictionary<RedisRole, string> _roles;
    private readonly IAsyncDisposable? _embedded;
    private readonly string? _journalCommitCommand;

    private SiloStorage(
        string redis, IReadOnlyDictionary<RedisRole, string> roles, IRowStore rows, string redisDescription,
        IAsyncDisposable? embedded = null, string? journalCommitCommand = null, bool hostsRedis = false)
    {
        HostsRedis = hostsRedis;
        _journalCommitCommand = journalCommitCommand;
        Redis = redis;
        Rows = rows;
        RedisDescription = redisDescription;
        _roles = roles;
        _embedded = embedded;
    }

    /// <summary>The connection string of the Redis for all roles without their own.</summary>
    public string Redis { get; }

    /// <summary>The database.</summary>
    public IRowStore Rows { get; }

    /// <summary>The clock of the database, if it has its own.</summary>
    public PostgresClock? Clock { get; private init; }

    /// <summary>The address of Redis for display, without secrets.</summary>
    public string RedisDescription { get; }

    /// <summary>True if that Redis runs in this process.</summary>
    public bool HostsRedis { get; }

    /// <summary>True if Redis or the database is embedded in a silo's process.</summary>
    public bool IsEmbedded => _embedded is not null;

    public static async Task<SiloStorage> OpenAsync(IConfiguration configuration, SiloSettings settings, ILoggerFactory loggers)
    {
        var redis = RedisConfiguration.OfAll(configuration);
        var postgres = configuration.GetConnectionString("postgres") is { Length: > 0 } given ? CheckedPostgres(given) : null;
        var roles = new Dictionary<RedisRole, string>();
        foreach (var role in Enum.GetValues<RedisRole>())
        {
            if (RedisConfiguration.OfRole(configuration, role) is { } own) roles[role] = own;
        }

        var logger = loggers.CreateLogger<SiloStorage>();
        var waitsForReplicas =
            configuration[$"{WriteBehindOptions.Section}:{nameof(WriteBehindOptions.JournalReplicas)}"] is { Length: > 0 } and not "0";

        // All connection strings are validated before any server is waited for.
        var checks = new List<RedisCheck>();
        if (redis is not null)
        {
            var shared = Enum.GetValues<RedisRole>().Where(role => !roles.ContainsKey(role));
            checks.Add(new RedisCheck("redis", redis, shared, holdsMembership: true, waitsForReplicas, settings, logger));
        }

        checks.AddRange(roles.Select(own =>
            new RedisCheck(RedisConfiguration.KeyOf(own.Key), own.Value, [own.Key], holdsMembership: false, waitsForReplicas, settings, logger)));
        foreach (var check in checks) await check.RunAsync();

        if (redis is not null && postgres is not null)
        {
            var rows = Postgres(postgres, settings, loggers);
            return new SiloStorage(redis, roles, rows, $"Redis at {RedisConfiguration.Describe(redis)}")
            {
                Clock = new PostgresClock(postgres, rows.Description),
            };
        }

#if EMBEDDED
        return await OpenEmbeddedAsync(redis, postgres, roles, settings, loggers);
#else
        throw new ConfigurationException(
            $"ConnectionStrings:{(redis is null ? "redis" : "postgres")} is not set, and this build has no embedded parts; set it.");
#endif
    }

    /// <summary>Configures the silo's access to Redis.</summary>
    public void Configure(RedisOptions options, string serviceId)
    {
        options.ConnectionString = Redis;
        options.KeyPrefix = serviceId;
        options.JournalCommitCommand = _journalCommitCommand;
        foreach (var (role, connectionString) in _roles) options.Roles[role] = connectionString;
    }

    /// <summary>
    /// Closes the database, then stops the embedded parts. Called after the silo has stopped, because it drains into both.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (Rows is IAsyncDisposable rows) await rows.DisposeAsync();
        if (Clock is not null) await Clock.DisposeAsync();
        if (_embedded is not null) await _embedded.DisposeAsync();
    }

#if EMBEDDED
    private static async Task<SiloStorage> OpenEmbeddedAsync(
        string? redis, string? postgres, IReadOnlyDictionary<RedisRole, string> roles, SiloSettings settings, ILoggerFactory loggers)
    {
        var parts = (redis is null ? Embedded.EmbeddedParts.Redis : Embedded.EmbeddedParts.None)
            | (postgres is null ? Embedded.EmbeddedParts.Database : Embedded.EmbeddedParts.None);
        Embedded.EmbeddedHost embedded;
        try
        {
            embedded = await Embedded.EmbeddedHost.StartOrJoinAsync(
                settings.DataDirectory, parts, settings.AcceptDataLoss, loggers, CancellationToken.None);
        }
        catch (Exception error)
        {
            var message = error is Embedded.EmbeddedDataException or InvalidOperationException or TimeoutException
                ? error.Message
                : $"The data directory {settings.DataDirectory} cannot be used: {error.Message}";
            throw new ConfigurationException(message.Contains(DataDirectory, StringComparison.Ordinal)
                ? message
                : $"{message.TrimEnd('.')}. The directory is set by {DataDirectory}; choose one that this user may write to.");
        }

        var where = embedded.IsHost ? "in this process" : $"in process {embedded.HostProcessId}";
        return new SiloStorage(
            redis ?? embedded.RedisConnectionString!,
            roles,
            postgres is not null
                ? Postgres(postgres, settings, loggers)
                : new Embedded.SqliteRowStore(embedded.DatabasePath!, loggers.CreateLogger<Embedded.SqliteRowStore>(), settings.ServiceId),
            redis is null
                ? $"Redis (Garnet) at {embedded.RedisConnectionString}, {where}"
                : $"Redis at {RedisConfiguration.Describe(redis)}",
            embedded,
            redis is null && !roles.ContainsKey(RedisRole.Journal) ? Embedded.EmbeddedRedis.CommitCommand : null,
            hostsRedis: redis is null && embedded.IsHost);
    }
#endif

    private static PostgresRowStore Postgres(string connectionString, SiloSettings settings, ILoggerFactory loggers) =>
        new(connectionString, logger: loggers.CreateLogger<PostgresRowStore>(), serviceId: settings.ServiceId);

    private static string CheckedPostgres(string connectionString)
    {
        try
        {
            return PostgresRowStore.FindFault(connectionString) is { } fault
                ? throw new ConfigurationException($"ConnectionStrings:postgres {fault}.")
                : connectionString;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or KeyNotFoundException)
        {
            // The inner message is left out because it may quote part of a password that contains a semicolon.
            throw new ConfigurationException(
                "ConnectionStrings:postgres is not a PostgreSQL connection string; "
                + "write for example Host=localhost;Database=actors;Username=actors;Password=….");
        }
    }
}
