namespace Actors.Membership;

/// <summary>
/// The silos that were recently declared dead without announcing that they leave. A silo that stops gracefully answers its
/// calls first.
/// </summary>
internal sealed class SiloDeaths(ISiloStatusOracle silos, TimeProvider clock) : ISiloStatusListener, ILifecycleParticipant<ISiloLifecycle>
{
    /// <summary>How long a death is remembered. No client call waits longer.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(2);

    private readonly Lock _gate = new();

    // Guarded by the gate: the silos seen alive that have not announced to leave, and those that died within two minutes. At
    // its start a silo is notified of all silos in the table, which keeps dead ones for days.
    private readonly HashSet<SiloAddress> _living = [];
    private readonly List<(SiloAddress Silo, long At)> _dead = [];

    /// <summary>The deaths of the last two minutes.</summary>
    public SiloDeath[] Recent
    {
        get
        {
            lock (_gate)
            {
                Forget();
                return [.. _dead.Select(death => new SiloDeath { Silo = death.Silo.ToParsableString(), Ago = clock.GetElapsedTime(death.At) })];
            }
        }
    }

    public void SiloStatusChangeNotification(SiloAddress updatedSilo, SiloStatus status)
    {
        lock (_gate)
        {
            if (status is SiloStatus.Joining or SiloStatus.Active) _living.Add(updatedSilo);
            if (status is SiloStatus.ShuttingDown or SiloStatus.Stopping) _living.Remove(updatedSilo);
            if (status != SiloStatus.Dead || !_living.Remove(updatedSilo)) return;
            Forget();
            _dead.Add((updatedSilo, clock.GetTimestamp()));
        }
    }

    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(SiloDeaths), ServiceLifecycleStage.RuntimeGrainServices, _ =>
        {
            silos.SubscribeToSiloStatusEvents(this);
            return Task.CompletedTask;
        });

    private void Forget() => _dead.RemoveAll(death => clock.GetElapsedTime(death.At) > Memory);
}
