using Actors.Fixtures;
using Npgsql;

namespace Actors.Fault.Tests;

/// <summary>Real Redis, real PostgreSQL and any number of real silo processes, as an operator would have them.</summary>
public sealed class Deployment : IAsyncDisposable
{
    private readonly TemporaryDirectory _directory = new("deployment");
    private readonly List<SiloProcess> _silos = [];
    private string _database = "";

    public RedisServer Redis { get; } = new();

    public PostgresServer Postgres { get; } = new();

    public string Directory => _directory.Path;

    public Dictionary<string, string> Environment { get; } = [];

    public static async Task<Deployment> StartAsync(int silos)
    {
        var deployment = new Deployment();
        await Task.WhenAll(deployment.Redis.StartAsync(), deployment.Postgres.StartAsync());
        deployment._database = await deployment.Postgres.CreateDatabaseAsync();
        deployment.Environment["ConnectionStrings__redis"] = deployment.Redis.ConnectionString;
        deployment.Environment["ConnectionStrings__postgres"] = deployment._database;
        await Task.WhenAll(Enumerable.Range(0, silos).Select(_ => deployment.AddSiloAsync()));
        return deployment;
    }

    public async Task<SiloProcess> AddSiloAsync(params string[] arguments)
    {
        var silo = await SiloProcess.StartAsync(Directory, Environment, arguments);
        lock (_silos) _silos.Add(silo);
        return silo;
    }

    public SiloProcess Silo(int index)
    {
        lock (_silos) return _silos[index];
    }

    /// <summary>Runs <c>actors</c> to its end.</summary>
    public Task<ProgramRun> CliAsync(params string[] arguments) =>
        ProgramRun.RunAsync(DotnetProgram.Cli, Directory, Environment, arguments);

    /// <summary>One value from the database, read past everything under test.</summary>
    public async Task<T> QueryAsync<T>(string sql)
    {
        await using var source = NpgsqlDataSource.Create(_database);
        await using var command = source.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in _silos) silo.Dispose();
        await Redis.DisposeAsync();
        await Postgres.DisposeAsync();
        _directory.Dispose();
    }
}
