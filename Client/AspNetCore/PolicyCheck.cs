using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>
/// Queries the cluster for each policy of the app after the start, so that an unknown policy is logged then, and not only at its
/// first request.
/// </summary>
internal sealed class PolicyCheck(
    IServiceProvider services, IOptions<ActorsRateLimitingOptions> options, PolicyProblems problems, IHostApplicationLifetime lifetime)
    : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.UnsafeRegister(static started => ((TaskCompletionSource)started!).SetResult(), started);
        try
        {
            await started.Task.WaitAsync(stoppingToken).ConfigureAwait(false);
            var client = services.GetRequiredService<ActorsClient>();
            foreach (var policy in options.Value.Policies.Keys.Append(options.Value.AddressPolicy).OfType<string>().Distinct())
                await CheckAsync(client, policy, stoppingToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The app is stopping.
        }
    }

    /// <summary>Returns once the cluster has answered whether it knows the policy.</summary>
    private async Task CheckAsync(ActorsClient client, string policy, CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await client.RateLimiter(HttpClientId.Unidentified).GetPolicyAsync(policy, stoppingToken).WaitAsync(stoppingToken).ConfigureAwait(false);
                return;
            }
            catch (InvalidRateLimitException error)
            {
                problems.Report(policy, error);
                return;
            }
            catch (Exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The cluster does not answer, which the limiters report.
                await Task.Delay(Pause, stoppingToken).ConfigureAwait(false);
            }
        }
    }
}
