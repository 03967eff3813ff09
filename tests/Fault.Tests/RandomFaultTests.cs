using System.Globalization;

namespace Actors.Fault.Tests;

/// <summary>Random faults for a short time; tests/Soak runs them for hours.</summary>
public sealed class RandomFaultTests(ITestOutputHelper output)
{
    // Longer than a commit may take, but shorter than the usual timeout for a killed silo.
    private static readonly TimeSpan ResponseTimeout = TimeSpan.FromSeconds(12);

    private const string SeedVariable = "ACTORS_FAULT_SEED";

    // The same seed in every test run; the soak explores others.
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
