namespace Actors.Membership;

/// <summary>
/// The silos that were declared dead of late without having said that they leave. A silo that stops in good order answers the
/// calls that it has.
/// </summary>
internal sealed class SiloDeaths(ISiloStatusOracle silos, TimeProvider clock) : ISiloStatusListener, ILifecycleParticipant<ISiloLifecycle>
{
    /// <summary>How long a death is remembered. No call of a client waits longer.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(2);

    private readonly Lock _gate = new();

    // Under the gate. The silos that were seen alive and have not said that they leave; and those that died within two minutes.
    // At its start a silo is told of all that are in the table, which remembers the dead for days.
    private readonly HashSet<SiloAddress> _living = [];
    private readonly List<(SiloAddress Silo, long At)> _dead = [];

    /// <summary>Those of the last two minutes.</summary>
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
