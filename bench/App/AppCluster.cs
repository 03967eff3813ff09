using System.Diagnostics;
using Actors.Fixtures;

namespace Actors.Bench.App;

/// <summary>
/// The processes of a case that is measured from an app: a silo as operators run it (or more, see <see cref="AddSiloAsync"/>), and, for cases that do not bring their own app,
/// the app and the floor's silo. All talk over TCP on loopback. Contenders prepare one after the other, so no two start the same process.
/// </summary>
internal sealed class AppCluster : IAsyncDisposable
{
    public const string WorkerVerb = "app-worker";
    public const string FloorVerb = "app-floor";
    public const string HttpVerb = "app-http";

    private readonly TemporaryDirectory _directory = new("bench");
    private readonly string _database;
    private readonly List<(SiloProcess Silo, Process Process)> _silos = [];
    private AppProcess? _floor;
    private AppProcess? _app;

    private AppCluster(AppSettings settings, string database) => (Settings, _database) = (settings, database);

    public AppSettings Settings { get; }

    /// <summary>The database of the silo.</summary>
    public string Database => _database;

    /// <summary>The cost of the load generator per call, measured once by the app before all turns; null without an app.</summary>
    public AppTurn? EmptyLoop { get; private set; }

    /// <summary>The silo or the floor's: the CPU time it has used so far.</summary>
    public TimeSpan CpuOf(AppSilo silo)
    {
        if (silo == AppSilo.None) return TimeSpan.Zero;
        if (silo == AppSilo.Floor) return _floor!.Cpu;
        var all = TimeSpan.Zero;
        foreach (var (_, process) in _silos)
        {
            process.Refresh();
            all += process.TotalProcessorTime;
        }

        return all;
    }

    public static async Task<AppCluster> StartAsync(BenchServers servers)
    {
        var settings = new AppSettings(servers.Redis, servers.KeyPrefix, await servers.CreateDatabaseAsync(), FreePorts.Next());
        var cluster = new AppCluster(settings, await servers.CreateDatabaseAsync());
        try
        {
            await cluster.AddSiloAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>The silos.</summary>
    public IReadOnlyList<SiloProcess> Silos => [.. _silos.Select(each => each.Silo)];

    /// <summary>Starts one more silo; returns when it is ready.</summary>
    public async Task AddSiloAsync()
    {
        var environment = new Dictionary<string, string>
        {
            ["ConnectionStrings__redis"] = Settings.Redis,
            ["ConnectionStrings__postgres"] = _database,
        };
        string[] arguments =
        [
            "--Actors:ClusterId", Settings.Name, "--Actors:ServiceId", Settings.Name,
            .. AppLimit.All.SelectMany(limit => BenchSilo.Policy(limit.Policy, limit.Window)).SelectMany(setting => (string[])[$"--{setting.Key}", setting.Value!]),
        ];
        var silo = await SiloProcess.StartAsync(_directory.Path, environment, arguments);
        _silos.Add((silo, Process.GetProcessById(silo.ProcessId)));
    }

    /// <summary>The app's process, and with it the floor's.</summary>
    public async Task<AppProcess> AppAsync()
    {
        if (_app is null) await Task.WhenAll(StartFloorAsync(), StartAppAsync());
        return _app!;
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) await _app.DisposeAsync();
        if (_floor is not null) await _floor.DisposeAsync();
        foreach (var (silo, process) in _silos)
        {
            // Killed: everything it has is thrown away, and a stop would write it first.
            process.Dispose();
            silo.Dispose();
        }

        _directory.Dispose();
    }

    private async Task StartFloorAsync() => _floor = await AppProcess.StartAsync(Settings, FloorVerb);

    private async Task StartAppAsync()
    {
        _app = await AppProcess.StartAsync(Settings, WorkerVerb);
        await _app.AskAsync(new(AppVerb.Prepare, AppWorks.EmptyLoop));
        var run = new AppCommand(AppVerb.Run, AppWorks.EmptyLoop, Callers: 1, TimeSpan.FromMilliseconds(300));
        await _app.AskAsync(run);
        EmptyLoop = (await _app.AskAsync(run)).Turn;
    }
}

/// <summary>The silo that a work of the app calls.</summary>
internal enum AppSilo
{
    /// <summary>None: a peer that talks to a server directly.</summary>
    None,

    /// <summary>The silo as operators run it.</summary>
    Ours,

    /// <summary>The floor's silo.</summary>
    Floor,
}
