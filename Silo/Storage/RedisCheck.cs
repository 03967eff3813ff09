using System.Diagnostics;
using Actors.Redis;
using Actors.Silo.Configuration;
using StackExchange.Redis;

namespace Actors.Silo.Storage;

/// <summary>
/// Connects once to a Redis, before anything else does, so that what is wrong is reported as such and not by whatever would
/// need it first: a wrong password, TLS, missing rights, a Redis that evicts or forgets. A server that is not there, or still
/// loads its data, is waited for without limit: the silo may well have been started before it.
/// </summary>
internal sealed partial class RedisCheck
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(10);

    private readonly string _key;
    private readonly ConfigurationOptions _options;
    private readonly RedisRole[] _roles;
    private readonly RedisRights _rights;
    private readonly string _name;
    private readonly ILogger _logger;

    /// <param name="key">The name of the connection string.</param>
    /// <param name="connectionString">The connection string.</param>
    /// <param name="roles">What this Redis is used for.</param>
    /// <param name="holdsMembership">Whether the membership table is in it.</param>
    /// <param name="waitsForReplicas">Whether journal writes wait for replicas.</param>
    /// <param name="settings">Which cluster uses it.</param>
    /// <param name="logger">Where it says what it waits for, and what it warns of.</param>
    /// <exception cref="ConfigurationException">The connection string cannot be read.</exception>
    public RedisCheck(
        string key, string connectionString, IEnumerable<RedisRole> roles, bool holdsMembership, bool waitsForReplicas, SiloSettings settings,
        ILogger logger)
    {
        (_key, _roles, _logger) = (key, [.. roles], logger);
        _options = RedisConfiguration.Parse(key, connectionString);
        _options.AbortOnConnectFail = true;
        _options.ConnectTimeout = (int)ConnectLimit.TotalMilliseconds;
        _options.ConnectRetry = 1;

        // INFO counts as an administrator's command.
        _options.AllowAdmin = true;
        _name = $"Redis at {RedisConnectionString.AddressesOf(_options)} (ConnectionStrings:{key})";
        _rights = new RedisRights(settings.ServiceId, _roles, holdsMembership ? settings.ClusterId : null, waitsForReplicas);
    }

    /// <summary>Returns once this Redis can be used.</summary>
    /// <exception cref="ConfigurationException">It would evict the journal.</exception>
    /// <exception cref="StorageUnavailableException">It is there, and waiting does not help.</exception>
    public async Task RunAsync()
    {
        var said = 0L;
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
                    : new(reason, RedisFailures.IsAway(error) ? null : "Correct the connection string, or see to that server");
                if (diagnosis.Advice is { } advice)
                    throw new StorageUnavailableException("Redis", $"{_name} cannot be used: {diagnosis.Reason}. {advice}.");
                if (said == 0 || Stopwatch.GetElapsedTime(said) >= SayEvery)
                {
                    said = Stopwatch.GetTimestamp();
                    LogWaiting(_logger, _name, diagnosis.Reason);
                }
            }

            await Task.Delay(RetryAfter);
        }
    }

    // The driver goes on as the default user if the server refuses this one and lets that one in without a password.
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

        // A Redis that evicts keys without a time to live would evict acknowledged writes.
        if (health.MaxMemoryPolicy.StartsWith("allkeys", StringComparison.Ordinal))
        {
            throw new ConfigurationException(
                $"{_name} holds the journal, and its maxmemory-policy is {health.MaxMemoryPolicy}:"
                + " it would evict acknowledged writes. Allowed are noeviction (best) and volatile-*; set it, or give the journal a"
                + " Redis of its own (ConnectionStrings:redis-journal).");
        }

        if (health.JournalWarning is { } warning) LogForgets(_logger, _name, warning);
    }

    [LoggerMessage(EventId = 1011, Level = LogLevel.Warning, Message = "{Redis} cannot be reached: {Reason}. The silo starts as soon as it answers.")]
    private static partial void LogWaiting(ILogger logger, string redis, string reason);

    [LoggerMessage(EventId = 1012, Level = LogLevel.Warning, Message =
        "{Redis} does not let this silo read INFO, so it is not known whether it evicts or forgets acknowledged writes. Grant it: ACL SETUSER {User} +info")]
    private static partial void LogNoInfo(ILogger logger, string redis, string user);

    [LoggerMessage(EventId = 1013, Level = LogLevel.Warning, Message = "{Redis}: {Warning}")]
    private static partial void LogForgets(ILogger logger, string redis, string warning);
}
