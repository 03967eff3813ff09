using Actors.Harness;

namespace Actors.Soak;

/// <summary>The options of a soak run.</summary>
internal sealed record SoakOptions
{
    public required TimeSpan Duration { get; init; }

    public required int Seed { get; init; }

    public required int Silos { get; init; }

    public required int Users { get; init; }

    public required int Concurrency { get; init; }

    public required IReadOnlyList<Fault> Faults { get; init; }

    public required bool Overlaps { get; init; }

    public required bool Keeps { get; init; }
}
