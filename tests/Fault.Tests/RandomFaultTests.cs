using System.Globalization;

namespace Actors.Fault.Tests;

/// <summary>Faults at random for a while, as tests/Soak has them for hours.</summary>
public sealed class RandomFaultTests(ITestOutputHelper output)
{
    // Longer than a commit may take, and not as long as a client usually waits for a silo that was killed.
    private static readonly TimeSpan ResponseTimeout = TimeSpan.FromSeconds(12);

    private const string SeedVariable = "ACTORS_FAULT_SEED";

    // The same for everyone who runs the tests; the soak is for looking further.
    private const int DefaultSeed = 4711;

    [Fact]
    public async Task Random_faults_lose_nothing()
    {
        var seed = Environment.GetEnvironmentVariable(SeedVariable) is { Length: > 0 } given
            ? int.Parse(given, CultureInfo.InvariantCulture)
            : DefaultSeed;
        var repeat = $"to repeat it: {SeedVariable}={seed}";
        output.WriteLine(repeat);

        await using var deployment = await Deployment.StartAsync(silos: 3, new(HasLinks: true));
        var said = new List<string>();
        try
        {
            await new Trial(deployment, output, ResponseTimeout).RunAsync(
                () => new Schedule(seed, Faults.All, overlaps: true).RunAsync(deployment, TimeSpan.FromSeconds(40), Tell));
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"{repeat}\n{string.Join('\n', said)}\n{error.Message}", error);
        }

        void Tell(string what)
        {
            output.WriteLine(what);
            lock (said) said.Add(what);
        }
    }
}
