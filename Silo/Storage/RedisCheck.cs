using System.Diagnostics;
using Actors.Redis;
using Actors.Silo.Configuration;
using StackExchange.Redis;

namespace Actors.Silo.Storage;

/// <summary>
/// Connects to a Redis before anything else does, and reports what is wrong: a wrong password, TLS, missing rights, a Redis
/// that evicts keys or loses data. It waits without limit for a server that cannot be reached or is still loading, because the
/// silo may have been started first.
/// </summary>
internal sealed partial class RedisCheck
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    private readonly string _key;
    private readonly ConfigurationOptions _options;
    private readonly RedisRole[] _roles;
    private readonly RedisRights _rights;
    private readonly string _name;
    private readonly ILogger _logger;

    /// <param name="key">The name of the connection string.</param>
    /// <param name="connectionString">The connection string.</param>
    /// <param name="roles">The roles of this Redis.</param>
    /// <param name="holdsMembership">Whether this Redis holds the membership table.</param>
    /// <param name="waitsForReplicas">Whether journal writes wait for replicas.</param>
    /// <param name="settings">The settings of the silo.</param>
    /// <param name="logger">The logger for what it waits for, and for warnings.</param>
    /// <exception cref="ConfigurationException">The connection string is invalid.</exception>
    public RedisCheck(
        string key, string connectionString, IEnumerable<RedisRole> roles, bool holdsMembership, bool waitsForReplicas, SiloSettings settings,
        ILogger logger)
    {
        (_key, _roles, _logger) = (key, [.. roles], logger);
        _options = RedisConfiguration.Parse(key, connectionString);
        _options.AbortOnConnectFail = true;
        _options.ConnectTimeout = (int)ConnectLimit.TotalMilliseconds;
        _options.ConnectRetry = 1;

        // INFO counts as an admin command.
        _options.AllowAdmin = true;
        _name = $"Redis at {RedisConnectionString.AddressesOf(_options)} (ConnectionStrings:{key})";
        _rights = new RedisRights(settings.ServiceId, _roles, holdsMembership ? settings.ClusterId : null, waitsForReplicas);
    }

    /// <summary>Waits until this Redis can be used.</summary>
    /// <exception cref="ConfigurationException">This Redis would evict the journal.</exception>
    /// <exception cref="StorageUnavailableException">This Redis answers but cannot be used, and waiting does not help.</exception>
    public async Task RunAsync()
    {
        var lastLogged = 0L;
        while (true)
        {
            try
            {
                await using var redis = await ConnectionMultiplexer.ConnectAsync(_options);
                await redis.GetDatabase().PingAsync();
                await CheckUserAsync(redis.GetDatabase());
                await CheckRightsAsync(redis.GetDatabase());
                if (_roles.Contains(RedisRole.Journal)) await CheckJournalAsync(redis.GetDatabase());
                return;
            }
            catch (Exception error) when (error is RedisException or RedisCommandException or TimeoutException)
            {
                var reason = RedisFailures.Reason(error);
                var diagnosis = error is RedisConnectionException connection
                    ? await RedisDiagnosis.OfAsync(_options, connection, reason, ConnectLimit)
                    : new(reason, RedisFailures.IsAway(error) ? null : "Correct the connection string, or fix that server");
                if (diagnosis.Advice is { } advice)
                    throw new StorageUnavailableException("Redis", $"{_name} cannot be used: {diagnosis.Reason}. {advice}.");
                if (lastLogged == 0 || Stopwatch.GetElapsedTime(lastLogged) >= LogEvery)
                {
                    lastLogged = Stopwatch.GetTimestamp();
                    LogWaiting(_logger, _name, diagnosis.Reason);
                }
            }

            await Task.Delay(RetryAfter);
        }
    }

    // If the server refuses this user but accepts the default user without a password, the driver silently continues as that
    // user.
    private async Task CheckUserAsync(IDatabase redis)
    {
        if (_options.User is not { Length: > 0 } user) return;
        string? actual;
        try
        {
            actual = (string?)await redis.ExecuteAsync("ACL", "WHOAMI");
        }
        catch (RedisServerException error) when (!RedisFailures.IsAway(error))
        {
            return;
        }

        if (actual != user)
        {
            throw new StorageUnavailableException(
                "Redis", $"{_name} cannot be used: it refuses the user name or password. Correct user= and password= in the connection string.");
        }
    }

    private async Task CheckRightsAsync(IDatabase redis)
    {
        if (await _rights.FindMissingAsync(redis) is not { Length: > 0 } missing) return;
        var user = PrintableText.Of(_options.User ?? "default");
        throw new StorageUnavailableException(
            "Redis", $"{_name} refuses this silo: the user \"{user}\" lacks the rights {missing}. Grant them: ACL SETUSER {user} {missing}");
    }

    private async Task CheckJournalAsync(IDatabase redis)
    {
        RedisHealth health;
        try
        {
            health = await RedisInfo.ReadAsync(redis, TimeProvider.System);
        }
        catch (RedisServerException error) when (RedisRights.IsMissing(error.Message))
        {
            LogNoInfo(_logger, _name, PrintableText.Of(_options.User ?? "default"));
            return;
        }

        // A Redis that evicts keys without a TTL would evict acknowledged writes.
        if (health.MaxMemoryPolicy.StartsWith("allkeys", StringComparison.Ordinal))
        {
            throw new ConfigurationException(
                $"{_name} holds the journal, but its maxmemory-policy is {health.MaxMemoryPolicy};"
                + " it would evict acknowledged writes. Set noeviction (preferred) or volatile-*, or give the journal a"
                + " separate Redis (ConnectionStrings:redis-journal).");
        }

        if (health.JournalWarning is { } warning) LogForgets(_logger, _name, warning);
    }

    [LoggerMessage(EventId = 3003, Level = LogLevel.Warning, Message = "{Redis} cannot be reached: {Reason}. The silo starts as soon as it answers.")]
    private static partial void LogWaiting(ILogger logger, string redis, string reason);

    [LoggerMessage(EventId = 3004, Level = LogLevel.Warning, Message =
        "{Redis} does not let this silo read INFO, so it is unknown whether it may lose acknowledged writes. Grant it: ACL SETUSER {User} +info")]
    private static partial void LogNoInfo(ILogger logger, string redis, string user);

    [LoggerMessage(EventId = 3005, Level = LogLevel.Warning, Message = "{Redis}: {Warning}")]
    private static partial void LogForgets(ILogger logger, string redis, string warning);
}
