using System.Globalization;
using Actors.Fixtures;

namespace Actors.Bench.App.Http;

/// <summary>app.http: one copy of the endpoint in a process of its own, under wrk.</summary>
internal sealed class HttpContender(BenchServers servers, string variant) : Contender
{
    private readonly string _url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePorts.Next()}");
    private readonly AppSilo _silo = variant == HttpVariants.Ours ? AppSilo.Ours : AppSilo.None;
    private AppCluster? _cluster;
    private AppProcess? _app;

    public override async Task PrepareAsync(Load load)
    {
        _cluster = await servers.AppClusterAsync();
        _app = await AppProcess.StartAsync(_cluster.Settings, AppCluster.HttpVerb, variant, _url);

        // Each key once, as a turn must not pay for the first call of a client.
        using var http = new HttpClient { BaseAddress = new Uri(_url) };
        await Callers.EachAsync(64, AppLimit.Many.Clients, async i =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { { HttpApp.Header, HttpApp.Key(i) } } };
            using var response = await http.SendAsync(request);
            response.EnsureSuccessStatusCode();
        });
    }

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        var bytes = await BytesAsync();
        var (cpu, siloCpu) = (_app!.Cpu, _cluster!.CpuOf(_silo));
        var result = await Wrk.RunAsync(_url, load.Duration).WaitAsync(cancellationToken);
        (cpu, siloCpu) = (_app.Cpu - cpu, _cluster.CpuOf(_silo) - siloCpu);
        bytes = await BytesAsync() - bytes;
        return new Turn(result.Granted, TimeSpan.FromSeconds(result.Seconds), DoubtOf(result))
        {
            App = new(
                cpu, bytes, _silo == AppSilo.None ? null : siloCpu, TimeSpan.FromMilliseconds(result.P50), TimeSpan.FromMilliseconds(result.P99)),
        };
    }

    public override ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static string? DoubtOf(WrkResult result) => result.Refused + result.Failed == 0 ? null : string.Create(
        CultureInfo.InvariantCulture, $"{result.Refused} of {result.Requests} requests were refused and {result.Failed} failed; they are not counted");

    private async Task<long> BytesAsync() => (await _app!.AskAsync(new(AppVerb.Bytes))).Bytes;
}
