using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Actors.Resilience;
using StackExchange.Redis;

namespace Actors.Silo.Configuration;

/// <summary>Reads the connection strings of Redis and looks whether they lead anywhere, before anything else starts.</summary>
internal static partial class RedisConfiguration
{
    private const string Example = "allowed is e.g. localhost:6379 or redis.example.org:6380,ssl=true,password=…";

    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(10);

    /// <summary>The connection string of <paramref name="role"/>'s own Redis, if it has one: <c>ConnectionStrings:redis-journal</c> and so on.</summary>
    public static string? OfRole(IConfiguration configuration, RedisRole role) => NotEmpty(configuration.GetConnectionString(KeyOf(role)));

    /// <summary>The connection string of all others: <c>ConnectionStrings:redis</c>.</summary>
    public static string? OfAll(IConfiguration configuration) => NotEmpty(configuration.GetConnectionString("redis"));

    public static string KeyOf(RedisRole role) => $"redis-{role}".ToLowerInvariant();

    /// <summary>The addresses in a connection string, without its secrets.</summary>
    public static string Describe(string connectionString) =>
        string.Join(", ", ConfigurationOptions.Parse(connectionString).EndPoints.Select(AddressOf));

    public static ConfigurationOptions Parse(string key, string connectionString)
    {
        ConfigurationOptions options;
        try
        {
            options = ConfigurationOptions.Parse(connectionString);
        }
        catch (Exception error) when (error is ArgumentException or FormatException or OverflowException)
        {
            // Without the inner message: it may quote a piece of a password that holds a comma.
            throw Unreadable(key);
        }

        // A URL, with its password, would be taken for the name of a host and end up in messages.
        if (options.EndPoints.OfType<DnsEndPoint>().Any(endpoint => endpoint.Host.AsSpan().ContainsAny("/@ "))) throw Unreadable(key);

        return options.EndPoints.Count > 0
            ? options
            : throw new ConfigurationException($"ConnectionStrings:{key} names no server; {Example}.");
    }

    /// <summary>
    /// Connects once, so that a wrong password is reported as such and not by whatever would need it first. A server that is
    /// not there, or still loads its data, is waited for without limit: the silo may well have been started before it.
    /// </summary>
    public static async Task CheckAsync(string key, string connectionString, bool holdsJournal, ILogger logger)
    {
        var options = Parse(key, connectionString);
        options.AbortOnConnectFail = true;
        options.ConnectTimeout = (int)ConnectLimit.TotalMilliseconds;
        options.ConnectRetry = 1;

        // INFO counts as an administrator's command.
        options.AllowAdmin = true;
        var said = 0L;
        while (true)
        {
            try
            {
                await using var redis = await ConnectionMultiplexer.ConnectAsync(options);
                await redis.GetDatabase().PingAsync();
                if (holdsJournal) await RefuseEvictionAsync(redis, key, connectionString);
                return;
            }
            catch (Exception error) when (RedisFailures.IsAway(error))
            {
                if (said == 0 || Stopwatch.GetElapsedTime(said) >= SayEvery)
                {
                    said = Stopwatch.GetTimestamp();
                    LogWaiting(logger, Describe(connectionString), key, await ReasonAsync(options, error));
                }
            }
            catch (Exception error) when (error is RedisException)
            {
                throw new StorageUnavailableException(
                    "Redis", $"Redis at {Describe(connectionString)} (ConnectionStrings:{key}) cannot be used: {RedisFailures.Reason(error)}");
            }

            await Task.Delay(RetryAfter);
        }
    }

    // The client only says that it could not connect; the first address says why.
    private static async Task<string> ReasonAsync(ConfigurationOptions options, Exception error)
    {
        if (error is not RedisConnectionException) return RedisFailures.Reason(error);
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            using var limit = new CancellationTokenSource(ConnectLimit);
            await socket.ConnectAsync(options.EndPoints[0], limit.Token);
            return "something listens there, but it does not answer as a Redis does";
        }
        catch (SocketException socket)
        {
            return socket.Message;
        }
        catch (OperationCanceledException)
        {
            return "no connection within " + ConnectLimit;
        }
    }

    /// <summary>A Redis that evicts keys without a time to live would evict acknowledged writes.</summary>
    private static async Task RefuseEvictionAsync(ConnectionMultiplexer redis, string key, string connectionString)
    {
        var info = (string?)await redis.GetDatabase().ExecuteAsync("INFO", "memory") ?? "";
        var policy = info.Split('\n').Select(line => line.Trim().Split(':')).FirstOrDefault(field => field[0] == "maxmemory_policy")?[^1];
        if (policy?.StartsWith("allkeys", StringComparison.Ordinal) != true) return;
        throw new ConfigurationException(
            $"Redis at {Describe(connectionString)} (ConnectionStrings:{key}) holds the journal, and its maxmemory-policy is {policy}:"
            + " it would evict acknowledged writes. Allowed are noeviction (best) and volatile-*; set it, or give the journal a"
            + " Redis of its own (ConnectionStrings:redis-journal).");
    }

    private static ConfigurationException Unreadable(string key) =>
        new($"ConnectionStrings:{key} is no Redis connection string; {Example}.");

    private static string AddressOf(EndPoint endpoint) => endpoint switch
    {
        DnsEndPoint name => $"{name.Host}:{name.Port}",
        _ => endpoint.ToString() ?? "",
    };

    private static string? NotEmpty(string? value) => string.IsNullOrWhiteSpace(value) ? null : value;

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Redis at {Address} (ConnectionStrings:{Key}) cannot be reached: {Reason}. The silo starts as soon as it answers.")]
    private static partial void LogWaiting(ILogger logger, string address, string key, string reason);
}
