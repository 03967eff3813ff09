namespace Actors.Cli.Breaker;

/// <summary>The health of each Redis as JSON: unformatted values, times in seconds.</summary>
internal static class HealthJson
{
    public static object Of(ClusterStatus status, DateTimeOffset now) => new
    {
        Redis = RedisView.AllOf(status).Select(view => new
        {
            view.Address,
            view.Roles,
            view.State,
            Health = BreakerJson.Of(view.Health),
            HealthAgeSeconds = view.Health is { } health ? BreakerText.Between(health.At, now).TotalSeconds : (double?)null,
            Latency = BreakerJson.Of(view.Latency),
            Silos = view.Seen.Select(seen => new
            {
                seen.Silo,
                seen.Circuit.State,
                Latency = BreakerJson.Of(seen.Circuit.Latency),
            }),
        }),
        NotResponding = status.Silos.Where(silo => !silo.IsResponding).Select(silo => silo.Silo),
    };
}
