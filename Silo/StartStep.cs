namespace Actors.Silo;

/// <summary>A step of the start: its description, the settings it uses, and advice if it fails.</summary>
/// <param name="Name">A description that serves as the subject of "failed".</param>
/// <param name="ExitCode">The exit code if this step fails for a reason without a specific exception type.</param>
/// <param name="Advice">What to do if it fails.</param>
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
        "Correct the connection strings, or fix the servers that they name.");

    public static readonly StartStep Host = new(
        "Assembling the silo (section Actors)", SiloExitCode.BadConfiguration, "Correct the settings in the section Actors.");

    public static readonly StartStep Silo = new(
        "Opening the silo's ports (Actors:Address, Actors:SiloPort, Actors:GatewayPort)", SiloExitCode.BadConfiguration,
        "Set them to an address of this machine and to ports that are free.");

    public static readonly StartStep Join = new(
        "Joining the cluster (Actors:ClusterId) through Redis (ConnectionStrings:redis)", SiloExitCode.Unavailable,
        "Fix that Redis, and give the silo's user the rights it needs.");

    public static readonly StartStep Http = new(
        "Listening for HTTP (--urls, section Kestrel)", SiloExitCode.BadConfiguration, "Set --urls, for instance to http://127.0.0.1:8080.");

    public static readonly StartStep Running = new("Running", SiloExitCode.Failed, "See the log for details.");

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

/// <summary>The current step of the start. It follows the silo's life cycle once that has begun.</summary>
internal sealed class StartProgress : ILifecycleParticipant<ISiloLifecycle>
{
    // Set by one step after another, read after the last one.
    private volatile StartStep _step = StartStep.Configuration;

    public StartStep Step
    {
        get => _step;
        set => _step = value;
    }

    /// <summary>Whether to log stack traces even if the start fails.</summary>
    public bool WantsTraces { get; set; }

    /// <summary>Whether the log currently shows stack traces.</summary>
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
