namespace Actors.Redis;

/// <summary>What was found when this machine's clock was held against another.</summary>
/// <param name="Reference">Whose clock the other is.</param>
/// <param name="Ahead">By how much this machine's is ahead.</param>
/// <param name="Uncertainty">How much the answer's way may have added.</param>
internal readonly record struct ClockSkew(string Reference, TimeSpan Ahead, TimeSpan Uncertainty)
{
    /// <summary>What is sure of it.</summary>
    public TimeSpan AtLeast => Ahead.Duration() > Uncertainty ? Ahead.Duration() - Uncertainty : TimeSpan.Zero;

    public override string ToString() =>
        FormattableString.Invariant($"{Ahead.Duration().TotalSeconds:0.0} s {(Ahead < TimeSpan.Zero ? "behind" : "ahead of")} {Reference}");
}
