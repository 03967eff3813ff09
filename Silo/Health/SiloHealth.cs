using System.Globalization;
using System.Text.Json;
using Actors.Core;
using Actors.Hosting;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Actors.Silo.Health;

/// <summary>
/// <c>/health/live</c>: the process answers. It checks nothing else, so an outage elsewhere does not restart the silo.
/// <c>/health/ready</c>: 200 while the silo is a member of the cluster. It is "Degraded" while Redis or the database does not
/// answer, the flush lags behind, or a background loop fails. The status is still 200, because taking the silo out of service
/// would not help.
/// </summary>
internal static class SiloHealth
{
    private const string Ready = "ready";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    public static IHealthChecksBuilder AddSiloChecks(this IHealthChecksBuilder checks) => checks
        .AddCheck<MembershipCheck>("silo", tags: [Ready], timeout: Limit)
        .AddCheck<RedisCheck>("redis", tags: [Ready], timeout: Limit)
        .AddCheck<DatabaseCheck>("database", tags: [Ready], timeout: Limit)
        .AddCheck<WriteBehindCheck>("writebehind", tags: [Ready], timeout: Limit)
        .AddCheck<BackgroundLoopCheck>("background", tags: [Ready], timeout: Limit)
        .AddCheck<ClockCheck>("clock", tags: [Ready], timeout: Limit);

    public static void MapSiloHealth(this WebApplication app)
    {
        app.MapHealthChecks("/health/live", new() { Predicate = _ => false, ResponseWriter = WriteAsync });
        app.MapHealthChecks("/health/ready", new() { Predicate = check => check.Tags.Contains(Ready), ResponseWriter = WriteAsync });
    }

    private static string LastError(string? error, DateTimeOffset? at) => error is null
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $"; last error{(at is { } time ? $" at {time:HH:mm:ss}" : "")}: {error}");

    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        context.Response.ContentType = "application/json";
        return JsonSerializer.SerializeAsync(context.Response.Body, new
        {
            status = report.Status.ToString(),
            checks = report.Entries.ToDictionary(
                entry => entry.Key,
                entry => new { status = entry.Value.Status.ToString(), description = entry.Value.Description }),
        });
    }

    private sealed class MembershipCheck(IClusterMembershipService membership, ILocalSiloDetails self) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            var status = membership.CurrentSnapshot.GetSiloStatus(self.SiloAddress);
            return Task.FromResult(status == Orleans.Runtime.SiloStatus.Active
                ? HealthCheckResult.Healthy($"{self.SiloAddress} is active")
                : HealthCheckResult.Unhealthy($"{self.SiloAddress} is {status}"));
        }
    }

    private sealed class RedisCheck(RedisGateway redis, ILocalSiloDetails self) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            // The circuits know the state even without traffic, so the check makes no call.
            var circuits = redis.Snapshot(self.SiloAddress).Circuits;
            var text = string.Join("; ", circuits.Select(circuit => circuit.State == BreakerState.Closed
                ? $"Redis at {circuit.Address}{(circuit.Warning is { } warning ? $" ({string.Join(", ", circuit.Roles)}): {warning}" : "")}"
                : $"Redis at {circuit.Address} ({string.Join(", ", circuit.Roles)}) is {circuit.State} "
                    + $"since {circuit.Since:HH:mm:ss}{LastError(circuit.LastError, circuit.LastErrorAt)}"));
            return Task.FromResult(Array.TrueForAll(circuits, circuit => circuit.State == BreakerState.Closed && circuit.Warning is null)
                ? HealthCheckResult.Healthy(text)
                : HealthCheckResult.Degraded(text));
        }
    }

    private sealed class WriteBehindCheck(WriteBehindView writeBehind) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            var status = writeBehind.Status;
            var text = string.Create(CultureInfo.InvariantCulture,
                $"{status.State}: {status.UnflushedRows:N0} rows are not in the database, "
                + $"{status.UnflushedBytes:N0} bytes of {status.MaxUnflushedBytes:N0}"
                + $" ({status.Fill:P0}), the oldest for {status.OldestUnflushed.TotalSeconds:0.0} s");
            if (status.HeldRows > 0)
                text += string.Create(CultureInfo.InvariantCulture, $"; {status.HeldRows:N0} rows can be neither committed nor parked");
            if (!writeBehind.IsAlarming(status)) return Task.FromResult(HealthCheckResult.Healthy(text));
            return Task.FromResult(HealthCheckResult.Degraded(string.Create(CultureInfo.InvariantCulture,
                $"{text}; {status.RefusedWrites:N0} writes were refused{LastError(status.LastFlushError, status.LastFlushErrorAt)}")));
        }
    }

    private sealed class ClockCheck(ClockStatus clock) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(clock.Problem is { } problem ? HealthCheckResult.Degraded(problem) : HealthCheckResult.Healthy(clock.Text));
    }

    private sealed class DatabaseCheck(IRowStore store) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            try
            {
                await store.CheckAsync(cancellationToken);
                return HealthCheckResult.Healthy(store.Description);
            }
            catch (Exception error) when (error is StorageUnavailableException or OperationCanceledException)
            {
                return HealthCheckResult.Degraded(error.Message);
            }
        }
    }

    private sealed class BackgroundLoopCheck(BackgroundLoops loops) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            var failing = loops.Failing;
            return Task.FromResult(failing.Count == 0
                ? HealthCheckResult.Healthy("all loops work")
                : HealthCheckResult.Degraded(string.Join("; ", failing.Select(loop => string.Create(
                    CultureInfo.InvariantCulture, $"{loop.Name} has failed {loop.Failures:N0} times since {loop.Since:HH:mm:ss}: {loop.Error}")))));
        }
    }
}
