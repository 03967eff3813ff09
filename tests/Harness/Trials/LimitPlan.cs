using Actors.Harness.Limits;

namespace Actors.Harness.Trials;

/// <summary>How a trial of limits goes: a policy, who asks for its permits, and for how long.</summary>
/// <param name="Policy">The policy; all have two windows, of which now the one and now the other binds.</param>
/// <param name="Windows">Its windows.</param>
/// <param name="Steady">How long nothing happens, before, between and after what happens.</param>
public sealed record LimitPlan(string Policy, IReadOnlyList<LimitWindow> Windows, TimeSpan Steady)
{
    private static readonly LimitPlan Hot = new("trial-hot", [Window(200, 1), Window(900, 10)], TimeSpan.FromSeconds(30));
    private static readonly LimitPlan Usual = new("trial", [Window(1_000, 1), Window(4_500, 10)], TimeSpan.FromSeconds(22));
    private static readonly LimitPlan Short = new("trial-short", [Window(400, 0.5), Window(1_200, 3)], TimeSpan.FromSeconds(6.5))
    {
        LeastShare = 0.5,
    };

    /// <summary>What the silos find in their environment: all of the policies.</summary>
    public static IReadOnlyDictionary<string, string> Settings { get; } =
        ((LimitPlan[])[Hot, Usual, Short]).SelectMany(plan => LimitWindow.SettingsOf(plan.Policy, plan.Windows)).ToDictionary();

    /// <summary>
    /// As <see cref="Settings"/>, and no silo takes a Redis that is slow for one that is away: on a machine that is busy with
    /// the start of a silo it would go on without it, which is another trial.
    /// </summary>
    public static IReadOnlyDictionary<string, string> PatientSettings { get; } = new Dictionary<string, string>(Settings)
    {
        ["Actors__Breaker__CallTimeout"] = "00:00:20",
        ["Actors__Breaker__SlowCallDuration"] = "00:01:00",
        ["Actors__Breaker__SilenceDuration"] = "00:00:20",
    };

    /// <summary>The least share of what is allowed that must come. Less in a few seconds on a busy machine, where callers are late.</summary>
    public double LeastShare { get; private init; } = LimitCheck.LeastShare;

    /// <summary>The longest window: after so long nothing of what was before counts.</summary>
    public TimeSpan Longest => Windows.Max(window => window.Duration);

    /// <summary>The plan of a trial with many clients.</summary>
    public static LimitPlan Of(TrialOptions options) => options.IsShort ? Short : Usual;

    /// <summary>The plan of a trial with one client.</summary>
    public static LimitPlan HotOf(TrialOptions options) => options.IsShort ? Short : Hot;

    private static LimitWindow Window(int limit, double seconds) => new(limit, TimeSpan.FromSeconds(seconds));
}
