namespace Actors.Redis;

/// <summary>The difference between this machine's clock and another one.</summary>
/// <param name="Reference">The name of the other clock.</param>
/// <param name="Ahead">How far this machine's clock is ahead.</param>
/// <param name="Uncertainty">The part of the difference that the network latency may explain.</param>
internal readonly record struct ClockSkew(string Reference, TimeSpan Ahead, TimeSpan Uncertainty)
{
    /// <summary>The part of the difference that is certain.</summary>
    public TimeSpan AtLeast => Ahead.Duration() > Uncertainty ? Ahead.Duration() - Uncertainty : TimeSpan.Zero;

    public override string ToString() =>
        FormattableString.Invariant($"{Ahead.Duration().TotalSeconds:0.0} s {(Ahead < TimeSpan.Zero ? "behind" : "ahead of")} {Reference}");
}
