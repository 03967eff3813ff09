namespace Actors.Bench.Limits;

/// <summary>limit.many, ours: one grain call per decision, to the limiter of a random client.</summary>
internal sealed class ManyLimits(BenchServers servers) : Contender
{
    private const int Checked = 500;
    private const int CheckedCalls = 20;

    private readonly Answers _answers = new(isAllowed: true);
    private BenchSilo? _silo;
    private IRateLimiterGrain[] _clients = [];

    /// <summary>More than any client can use.</summary>
    public static RateLimitWindow Window { get; } = new(1_000, TimeSpan.FromSeconds(1));

    public static string Client(int number) => $"client-{number:D8}";

    public override async Task PrepareAsync(Load load)
    {
        _silo = await BenchSilo.StartOursAsync(
            servers, await servers.CreateDatabaseAsync(), BenchSilo.Policy(RateLimits.DefaultPolicy, Window));
        _clients = [.. Enumerable.Range(0, load.Users).Select(i => _silo.Grains.GetGrain<IRateLimiterGrain>(Client(i)))];
        await Callers.EachAsync(load.Callers, load.Users, async i =>
            _answers.Note((await _clients[i].AcquireAsync(RateLimitRequest.Default)).IsAllowed));
    }

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Callers.RunAsync(
        HotLimit.CallersOf(load),
        load.Duration,
        async random => _answers.Note((await _clients[random.Next(_clients.Length)].AcquireAsync(RateLimitRequest.Default)).IsAllowed),
        cancellationToken);

    public override async Task VerifyAsync()
    {
        _answers.Verify();
        var status = await _silo!.LimitsAsync();
        if (status.Allowed != _answers.Count || status.Local > 0)
            throw new InvalidOperationException($"{_answers.Count} calls were answered, but the silo's count differs: {status}.");

        // The grants of some clients on a long window, counted after the silo has deactivated them.
        var clients = Enumerable.Range(0, Checked).Select(i => _silo.Grains.GetGrain<IRateLimiterGrain>($"check-{i}")).ToArray();
        var policy = new RateLimitPolicy { Name = RateLimits.DefaultPolicy, Windows = [HotLimit.Checked] };
        await Callers.EachAsync(HotLimit.CheckedCallers, Checked, i => clients[i].SetPolicyAsync(policy));
        await Callers.EachAsync(HotLimit.CheckedCallers, Checked * CheckedCalls, i => clients[i % Checked].AcquireAsync(RateLimitRequest.Default));
        await _silo.DeactivateAllAsync();
        await Callers.EachAsync(HotLimit.CheckedCallers, Checked, async i =>
        {
            if (await LimitCalls.UsedAsync(clients[i]) is not CheckedCalls and var used)
                throw new InvalidOperationException($"{CheckedCalls} permits were granted, but {used} are counted.");
        });
    }

    public override ValueTask DisposeAsync() => _silo?.DisposeAsync() ?? ValueTask.CompletedTask;
}
