using Actors.Harness;

namespace Actors.Soak;

/// <summary>What a soak is to do.</summary>
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
