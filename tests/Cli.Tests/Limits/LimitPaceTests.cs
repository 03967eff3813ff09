using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Limits;

/// <summary>Tests of real time run while no other test uses the threads.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class RealTimeCollection
{
    public const string Name = "real time";
}

[Collection(RealTimeCollection.Name)]
public sealed class LimitPaceTests : IDisposable
{
    private readonly Shell _shell = new() { Time = TimeProvider.System };

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Callers_that_wait_after_a_denial_call_rarely()
    {
        _shell.Cluster.Policies["p"] = new() { Name = "p", Windows = [new(1, TimeSpan.FromHours(1))] };
        var args = (string[])["load", "limits", "--seconds", "1", "--clients", "1", "--concurrency", "1", "--policy", "p", "--json"];

        // At least a second separates two calls.
        var waited = (await _shell.RunAsync(args)).Json;
        Assert.InRange(waited.GetProperty("denied").GetDouble(), 1, waited.GetProperty("seconds").GetDouble() + 1);
        Assert.True((await _shell.RunAsync([.. args, "--on-denied", "spin"])).Json.GetProperty("denied").GetInt64() > 10);
    }

    [Fact]
    public async Task Pace_keeps_the_configured_rate()
    {
        var json = (await _shell.RunAsync("load", "limits", "--seconds", "2", "--rate", "100", "--concurrency", "4", "--json")).Json;
        Assert.InRange(json.GetProperty("succeeded").GetDouble(), 10, (100 * json.GetProperty("seconds").GetDouble()) + 1);
    }
}
