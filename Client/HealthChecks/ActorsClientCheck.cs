using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Actors;

/// <summary>Makes a call that costs the cluster almost nothing.</summary>
internal sealed class ActorsClientCheck(ActorsClient client, TimeSpan timeout) : IHealthCheck
{
    // One grain for all apps. Once in memory, it reads nothing from Redis.
    private const string Client = "health-check";

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            await client.RateLimiter(Client).GetPolicyAsync(RateLimits.DefaultPolicy, limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
            return HealthCheckResult.Healthy("the cluster answers");
        }
        catch (Exception error) when (error is StorageUnavailableException or OverloadedException)
        {
            // This is an answer of a silo.
            return HealthCheckResult.Healthy($"the cluster answers: {error.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new(context.Registration.FailureStatus, $"No silo answered within {timeout.TotalSeconds:0.#} s.");
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            return new(context.Registration.FailureStatus, error.Message, error);
        }
    }
}
