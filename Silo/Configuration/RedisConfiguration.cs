using Actors.Redis;
using StackExchange.Redis;

namespace Actors.Silo.Configuration;

/// <summary>The connection strings of Redis.</summary>
internal static class RedisConfiguration
{
    /// <summary>
    /// The connection string of a separate Redis for <paramref name="role"/>: <c>ConnectionStrings:redis-journal</c> and so on.
    /// Null if there is none.
    /// </summary>
    public static string? OfRole(IConfiguration configuration, RedisRole role) => NotEmpty(configuration.GetConnectionString(KeyOf(role)));

    /// <summary>The connection string of all other roles: <c>ConnectionStrings:redis</c>.</summary>
    public static string? OfAll(IConfiguration configuration) => NotEmpty(configuration.GetConnectionString("redis"));

    public static string KeyOf(RedisRole role) => $"redis-{role}".ToLowerInvariant();

    /// <summary>The addresses in a connection string, without its secrets.</summary>
    public static string Describe(string connectionString) => RedisConnectionString.AddressesOf(ConfigurationOptions.Parse(connectionString));

    /// <summary>Parses a connection string.</summary>
    /// <exception cref="ConfigurationException">The connection string is invalid.</exception>
    public static ConfigurationOptions Parse(string key, string connectionString) =>
        RedisConnectionString.TryParse(connectionString, out var options, out var fault)
            ? options
            : throw new ConfigurationException($"ConnectionStrings:{key} {fault}.");

    private static string? NotEmpty(string? value) => string.IsNullOrWhiteSpace(value) ? null : value;
}
