using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Actors.Cli.Commands;
using Microsoft.Extensions.Configuration;

namespace Actors.Cli.Tests.Fakes;

/// <summary>Runs commands in this process, in a separate directory, against a cluster in memory.</summary>
internal sealed class Shell : IDisposable
{
    private readonly DirectoryInfo _directory = System.IO.Directory.CreateTempSubdirectory("actors-cli-");

    public FakeCluster Cluster { get; } = new();

    public string Directory => _directory.FullName;

    public Dictionary<string, string?> Environment { get; } = [];

    public TimeProvider Time { get; init; } = new HastyTime();

    /// <summary>Standard input of the next commands.</summary>
    public byte[] Input { get; set; } = [];

    /// <summary>Whether the output is a terminal that can be redrawn.</summary>
    public bool IsInteractive { get; init; }

    public int Width { get; init; } = 160;

    public int Height { get; init; } = 50;

    public string Path(string file) => System.IO.Path.Combine(Directory, file);

    public string Write(string file, string content)
    {
        File.WriteAllText(Path(file), content);
        return Path(file);
    }

    public Task<Result> RunAsync(params string[] args) => RunAsync(CancellationToken.None, args);

    public async Task<Result> RunAsync(CancellationToken cancellationToken, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var bytes = new MemoryStream();
        var context = new CommandContext
        {
            Terminal = new(output, error, IsInteractive, IsInteractive, Width, Height),
            Connector = Cluster,
            Configuration = new ConfigurationBuilder().AddInMemoryCollection(Environment).Build(),
            Time = Time,
            Directory = Directory,
            OpenInput = () => PipeReader.Create(new ReadOnlySequence<byte>(Input)).AsStream(),
            OpenOutput = () => bytes,
        };
        var exitCode = await CommandLine.RunAsync(args, context, cancellationToken);
        return new(exitCode, output + Encoding.UTF8.GetString(bytes.ToArray()), error.ToString());
    }

    /// <summary>Runs a long command and interrupts it, like Ctrl-C, once <paramref name="holds"/> returns true.</summary>
    public async Task<Result> RunUntilAsync(Func<bool> holds, params string[] args)
    {
        using var interrupt = new CancellationTokenSource();
        var running = RunAsync(interrupt.Token, args);
        while (!running.IsCompleted && !holds())
            await Task.Delay(5);
        await interrupt.CancelAsync();
        return await running;
    }

    public void Dispose() => _directory.Delete(recursive: true);

    /// <summary>The real time, but delays between attempts end at once.</summary>
    private sealed class HastyTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            System.CreateTimer(callback, state, period == Timeout.InfiniteTimeSpan && dueTime > TimeSpan.Zero ? dueTime / 100 : dueTime, period);
    }
}

/// <summary>The result of a command.</summary>
internal sealed record Result(int ExitCode, string Output, string Error)
{
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>The single line of an error.</summary>
    public string OnlyError()
    {
        var lines = Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Single(lines);
        Assert.StartsWith("error: ", lines[0], StringComparison.Ordinal);
        return lines[0];
    }
}
