namespace Actors.Silo;

/// <summary>A step of the start: what it does, which keys it rests on, and what to do if it fails.</summary>
/// <param name="Name">What is done, as the subject of "failed".</param>
/// <param name="ExitCode">How the silo ends if this step fails for a reason that no other type names.</param>
/// <param name="Advice">What to do.</param>
internal sealed record StartStep(string Name, int ExitCode, string Advice)
{
    public static readonly StartStep Configuration = new(
        "Reading the configuration (appsettings.json, environment, command line)", SiloExitCode.BadConfiguration,
        "Correct the file, variable or option that it names.");

    public static readonly StartStep Endpoints = new(
        "Choosing addresses and ports (Actors:Address, Actors:SiloPort, Actors:GatewayPort, --urls)", SiloExitCode.BadConfiguration,
        "Set them to an address of this machine and to ports that are free.");

    public static readonly StartStep Storage = new(
        "Opening Redis (ConnectionStrings:redis) and the database (ConnectionStrings:postgres)", SiloExitCode.Unavailable,
        "Correct the connection strings, or see to the servers that they name.");

    public static readonly StartStep Host = new(
        "Putting the silo together (section Actors)", SiloExitCode.BadConfiguration, "Correct the settings in the section Actors.");

    public static readonly StartStep Silo = new(
        "Opening the silo's ports (Actors:Address, Actors:SiloPort, Actors:GatewayPort)", SiloExitCode.BadConfiguration,
        "Set them to an address of this machine and to ports that are free.");

    public static readonly StartStep Join = new(
        "Joining the cluster (Actors:ClusterId) through Redis (ConnectionStrings:redis)", SiloExitCode.Unavailable,
        "See to that Redis, and give the silo's user the rights it needs.");

    public static readonly StartStep Http = new(
        "Listening for HTTP (--urls, section Kestrel)", SiloExitCode.BadConfiguration, "Set --urls, for instance to http://127.0.0.1:8080.");

    public static readonly StartStep Running = new("Running", SiloExitCode.Failed, "The log has more.");

    public override string ToString() => Name;
}

/// <summary>The exit codes of a silo.</summary>
internal static class SiloExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int BadConfiguration = 2;
    public const int Unavailable = 4;
}

/// <summary>Which step the start has come to. Follows the silo's life cycle once that has begun.</summary>
internal sealed class StartProgress : ILifecycleParticipant<ISiloLifecycle>
{
    // Set by one step after another, read after the last.
    private volatile StartStep _step = StartStep.Configuration;

    public StartStep Step
    {
        get => _step;
        set => _step = value;
    }

    /// <summary>Whether the log is to have traces also of a start that fails.</summary>
    public bool WantsTraces { get; set; }

    /// <summary>Whether the log has traces by now.</summary>
    public bool ShowsTraces => WantsTraces || Step == StartStep.Running;

    public void Participate(ISiloLifecycle observer)
    {
        Follow(ServiceLifecycleStage.RuntimeInitialize - 1, StartStep.Silo);
        Follow(ServiceLifecycleStage.RuntimeStorageServices - 2, StartStep.Join);
        Follow(ServiceLifecycleStage.Active + 1, StartStep.Http);

        void Follow(int stage, StartStep step) => observer.Subscribe(nameof(StartProgress), stage, _ =>
        {
            Step = step;
            return Task.CompletedTask;
        });
    }
}
