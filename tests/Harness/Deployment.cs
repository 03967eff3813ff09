using Actors.Fixtures;
using Npgsql;

namespace Actors.Harness;

/// <summary>The options of a deployment.</summary>
/// <param name="HasLinks">Each silo has its own connections to Redis, which can be cut: see <see cref="Deployment.Links"/>.</param>
/// <param name="Directory">The directory that keeps logs and ledgers; null for a temporary directory.</param>
/// <param name="Settings">Additional environment variables of silos and programs, e.g. Actors__WriteBehind__Lanes.</param>
/// <param name="HasReplica">Redis has a replica and can fail over, behind one address: see <see cref="Deployment.Pair"/>.</param>
public sealed record DeploymentOptions(
    bool HasLinks = false, string? Directory = null, IReadOnlyDictionary<string, string>? Settings = null, bool HasReplica = false);

/// <summary>Real Redis, real PostgreSQL and any number of real silo processes, as in an operator's deployment.</summary>
public sealed class Deployment : IAsyncDisposable
{
    private static readonly TimeSpan RestartLimit = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan BeforeNextStart = TimeSpan.FromSeconds(1);

    private readonly TemporaryDirectory _directory = new("deployment");
    private readonly DeploymentOptions _options;
    private readonly RedisServer? _redis;
    private readonly RedisPair? _pair;

    // A silo keeps its place across restarts. The list's lock guards it and its places.
    private readonly List<Place> _places = [];
    private string _database = "";

    private Deployment(DeploymentOptions options)
    {
        _options = options;
        if (options.HasReplica) _pair = new();
        else _redis = new();
    }

    /// <summary>The Redis server; of a pair, the current primary.</summary>
    public RedisServer Redis => _redis ?? Pair.Primary;

    /// <summary>The pair of Redis servers, if there is one.</summary>
    public RedisPair Pair => _pair ?? throw new InvalidOperationException("This deployment was started without a replica.");

    /// <summary>The PostgreSQL server.</summary>
    public PostgresServer Postgres { get; } = new();

    /// <summary>The working directory of programs, with their logs and ledgers.</summary>
    public string Directory => _options.Directory ?? _directory.Path;

    /// <summary>The environment of silos and programs.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>The places of the silos that were not removed.</summary>
    public IReadOnlyList<int> Silos
    {
        get
        {
            lock (_places) return [.. Enumerable.Range(0, _places.Count).Where(index => !_places[index].IsRemoved)];
        }
    }

    /// <summary>Starts the servers and this number of silos.</summary>
    public static Task<Deployment> StartAsync(int silos) => StartAsync(silos, new DeploymentOptions());

    /// <inheritdoc cref="StartAsync(int)"/>
    public static async Task<Deployment> StartAsync(int silos, DeploymentOptions options)
    {
        var deployment = new Deployment(options);
        try
        {
            await Task.WhenAll(deployment._redis?.StartAsync() ?? deployment.Pair.StartAsync(), deployment.Postgres.StartAsync());
            deployment._database = await deployment.Postgres.CreateDatabaseAsync();
            foreach (var (name, value) in options.Settings ?? new Dictionary<string, string>()) deployment.Environment[name] = value;
            deployment.Environment["ConnectionStrings__redis"] = deployment._pair?.Address ?? deployment.Redis.ConnectionString;
            deployment.Environment["ConnectionStrings__postgres"] = deployment._database;
            await Task.WhenAll(Enumerable.Range(0, silos).Select(_ => deployment.AddSiloAsync()));
            return deployment;
        }
        catch
        {
            await deployment.DisposeAsync();
            throw;
        }
    }

    /// <summary>Adds a silo and returns once it is ready.</summary>
    public async Task<SiloProcess> AddSiloAsync(params string[] arguments) => Silo(await AddPlaceAsync(isPersistent: false, settings: null, arguments));

    /// <summary>The silo in a place; the latest after a restart.</summary>
    public SiloProcess Silo(int index)
    {
        lock (_places) return _places[index].Silo;
    }

    /// <summary>The connections of a silo to Redis.</summary>
    public RedisLinks Links(int index)
    {
        lock (_places)
            return _places[index].Links ?? throw new InvalidOperationException("This deployment was started without its own Redis links.");
    }

    /// <summary>Adds a silo like <see cref="AddSiloAsync"/> and returns its place. Retries a failed start.</summary>
    public async Task<int> AddPlaceAsync(
        bool isPersistent = false, IReadOnlyDictionary<string, string>? settings = null, params string[] arguments)
    {
        var links = _options.HasLinks ? new RedisLinks(Redis.Port) : null;
        var environment = new Dictionary<string, string>(Environment);
        foreach (var (name, value) in links?.Environment ?? new Dictionary<string, string>()) environment[name] = value;
        foreach (var (name, value) in settings ?? new Dictionary<string, string>()) environment[name] = value;
        try
        {
            var silo = await StartSiloAsync(environment, arguments, isPersistent);
            lock (_places)
            {
                _places.Add(new(silo, links, environment, arguments));
                return _places.Count - 1;
            }
        }
        catch
        {
            if (links is not null) await links.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Starts a new silo with new ports in the place of one that exited or is killed now. Retries a failed start.
    /// </summary>
    public async Task RestartSiloAsync(int index)
    {
        var place = PlaceOf(index);
        place.Silo.Dispose();
        var silo = await StartSiloAsync(place.Environment, place.Arguments, isPersistent: true);
        lock (_places) place.Silo = silo;
    }

    /// <summary>Stops a silo gracefully; its place stays empty.</summary>
    public async Task RemoveSiloAsync(int index)
    {
        var place = PlaceOf(index);
        lock (_places) place.IsRemoved = true;
        await place.Silo.StopAsync();
    }

    /// <summary>Runs <c>actors</c> to its end.</summary>
    public Task<ProgramRun> CliAsync(params string[] arguments) =>
        ProgramRun.RunAsync(DotnetProgram.Cli, Directory, Environment, arguments);

    /// <summary>Starts <c>actors</c> and returns while it runs.</summary>
    public RunningProgram StartCli(params string[] arguments) =>
        RunningProgram.Start(DotnetProgram.Cli, Directory, Environment, arguments);

    /// <summary>Starts a load and returns while it runs.</summary>
    public LoadRun StartLoad(LoadOptions load) => LoadRun.Start(this, load);

    /// <summary>Reads one value from the database without the code under test.</summary>
    public async Task<T> QueryAsync<T>(string sql)
    {
        await using var source = Connect();
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Runs statements in the database without the code under test.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var source = Connect();
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Connects to the database without the code under test.</summary>
    internal NpgsqlDataSource Connect() => NpgsqlDataSource.Create(_database);

    /// <summary>The last output of servers and silos, for messages.</summary>
    public string Describe()
    {
        var silos = Silos.Select(index => $"--- silo {index}, {(Silo(index).HasExited ? "ended" : "running")}\n{Silo(index).Output}");
        return $"--- Redis\n{Redis.Output}\n--- PostgreSQL\n{Postgres.Output}\n{string.Join('\n', silos)}";
    }

    public async ValueTask DisposeAsync()
    {
        Place[] places;
        lock (_places) places = [.. _places];
        foreach (var place in places)
        {
            place.Silo.Dispose();
            if (place.Links is not null) await place.Links.DisposeAsync();
        }
        if (_redis is not null) await _redis.DisposeAsync();
        if (_pair is not null) await _pair.DisposeAsync();
        await Postgres.DisposeAsync();
        _directory.Dispose();
    }

    // Retries like a process supervisor: a dependency of the start may be down for a while.
    private async Task<SiloProcess> StartSiloAsync(IReadOnlyDictionary<string, string> environment, string[] arguments, bool isPersistent)
    {
        for (var deadline = DateTime.UtcNow + (isPersistent ? RestartLimit : TimeSpan.Zero); ;)
        {
            try
            {
                return await SiloProcess.StartAsync(Directory, environment, arguments);
            }
            catch (Exception error) when (error is InvalidOperationException or TimeoutException && DateTime.UtcNow < deadline)
            {
                await Task.Delay(BeforeNextStart);
            }
        }
    }

    private Place PlaceOf(int index)
    {
        lock (_places) return _places[index];
    }

    private sealed class Place(SiloProcess silo, RedisLinks? links, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        public SiloProcess Silo { get; set; } = silo;

        public bool IsRemoved { get; set; }

        public RedisLinks? Links => links;

        public IReadOnlyDictionary<string, string> Environment => environment;

        public string[] Arguments => arguments;
    }
}
