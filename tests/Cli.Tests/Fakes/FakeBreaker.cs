namespace Actors.Cli.Tests.Fakes;

/// <summary>The circuit breaker of one fake silo; a change updates the status of the cluster.</summary>
internal sealed class FakeBreaker(string silo, FakeCluster cluster) : IRedisBreakerGrain
{
    // Silos change concurrently, and each change replaces the status.
    private static readonly Lock Gate = new();

    public async Task<BreakerSnapshot> GetAsync(CancellationToken cancellationToken = default)
    {
        await Pause.ShortlyAsync();
        cluster.BeforeBreakerRead();
        return Find().Breaker!;
    }

    public Task IsolateAsync(string reason, CancellationToken cancellationToken = default) => MoveAsync(BreakerState.Isolated, reason);

    public Task CloseAsync(CancellationToken cancellationToken = default) => MoveAsync(BreakerState.Closed, "closed by hand");

    private async Task MoveAsync(BreakerState state, string reason)
    {
        await Pause.ShortlyAsync();
        cluster.BeforeSteering(silo);
        lock (Gate)
        {
            var report = Find();
            var moved = report with
            {
                Breaker = report.Breaker! with { Circuits = [.. report.Breaker.Circuits.Select(circuit => Move(circuit, state, reason))] },
            };
            cluster.CurrentStatus = new() { Silos = [.. cluster.CurrentStatus.Silos.Select(s => s == report ? moved : s)] };
        }
    }

    private static CircuitSnapshot Move(CircuitSnapshot circuit, BreakerState state, string reason)
    {
        var now = TimeProvider.System.GetUtcNow();
        var transition = new BreakerTransition { At = now, From = circuit.State, To = state, Reason = reason };
        return circuit with { State = state, Since = now, Transitions = [.. circuit.Transitions, transition] };
    }

    private SiloReport Find() =>
        cluster.CurrentStatus.Silos.FirstOrDefault(report => report.Silo == silo && report.Breaker is not null)
            ?? throw new SiloNotFoundException($"There is no active silo {silo}.");
}
