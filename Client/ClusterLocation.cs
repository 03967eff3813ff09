using Actors.Redis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors;

/// <summary>The location of the cluster, and the setting that gave it.</summary>
internal sealed class ClusterLocation
{
    private const string ConnectionStringKey = "ConnectionStrings:redis";
    private const string GatewaysKey = $"{ActorsClientOptions.SectionName}:{nameof(ActorsClientOptions.Gateways)}";
    private const int DefaultConnectTimeout = 5_000;

    private ClusterLocation(ConfigurationOptions? redis, string source, EmbeddedSilo? embedded = null)
    {
        Redis = redis;
        Source = source;
        Embedded = embedded;
    }

    /// <summary>The Redis that lists the silos; null if the cluster is found only by configured gateways.</summary>
    public ConfigurationOptions? Redis { get; }

    /// <summary>The setting or file that named it, for messages.</summary>
    public string Source { get; }

    /// <summary>The embedded silo, if it is one.</summary>
    public EmbeddedSilo? Embedded { get; }

    /// <summary>The addresses of Redis, without anything secret.</summary>
    public string Address => Redis is null ? "" : RedisConnectionString.AddressesOf(Redis);

    /// <summary>
    /// Finds the cluster by the explicit option, else by configuration, else by configured gateways, else as the embedded silo on
    /// this machine. The embedded silo comes last, because configured gateways may belong to another cluster.
    /// </summary>
    /// <exception cref="ClusterNotFoundException">None of the four locates the cluster.</exception>
    /// <exception cref="OptionsValidationException">The connection string is invalid.</exception>
    public static ClusterLocation Find(ActorsClientOptions options, IConfiguration? configuration)
    {
        if (!string.IsNullOrWhiteSpace(options.Redis))
            return Of(options.Redis, "Actors:Client:Redis");

        if (configuration?[ConnectionStringKey] is { } configured && !string.IsNullOrWhiteSpace(configured))
            return Of(configured, ConnectionStringKey);

        if (options.Gateways.Length > 0)
            return new(redis: null, GatewaysKey);

        if (EmbeddedSilo.Find(options.SearchDirectory) is { } embedded)
            return Of(embedded.Redis, embedded.File, embedded);

        var directory = Path.GetFullPath(options.SearchDirectory ?? ".");
        throw new ClusterNotFoundException(
            $"No cluster found: {ConnectionStringKey} is not set, and there is no {EmbeddedSilo.FileName} in {directory} or " +
            "above. Start a silo here (dotnet run --project Silo), or set ConnectionStrings__redis to the Redis of your cluster, or " +
            $"name the gateway of a silo: {GatewaysKey}, on the command line --gateway host:port.");
    }

    private static ClusterLocation Of(string connectionString, string source, EmbeddedSilo? embedded = null) =>
        new(Parse(connectionString, source), source, embedded);

    private static ConfigurationOptions Parse(string connectionString, string source)
    {
        if (!RedisConnectionString.TryParse(connectionString, out var redis, out var fault))
            throw new OptionsValidationException(nameof(ActorsClientOptions.Redis), typeof(ActorsClientOptions), [$"{source} {fault}."]);

        redis.AbortOnConnectFail = true;
        if (!Says(connectionString, "connectTimeout"))
            redis.ConnectTimeout = DefaultConnectTimeout;
        // The client itself retries, for as long as its options allow.
        if (!Says(connectionString, "connectRetry"))
            redis.ConnectRetry = 1;
        redis.ClientName ??= "actors-client";
        return redis;
    }

    private static bool Says(string connectionString, string option) =>
        connectionString.Split(',').Any(part =>
            part.IndexOf('=', StringComparison.Ordinal) is > 0 and var at &&
            part.AsSpan(0, at).Trim().Equals(option, StringComparison.OrdinalIgnoreCase));
}
