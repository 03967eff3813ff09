using Actors.Harness.Limits;

namespace Actors.Harness.Trials;

/// <summary>The plan of a limit trial: a policy, its clients, and the durations.</summary>
/// <param name="Policy">The policy; all have two windows that bind alternately.</param>
/// <param name="Windows">Its windows.</param>
/// <param name="Steady">The length of the fault-free intervals before, between and after the faults.</param>
public sealed record LimitPlan(string Policy, IReadOnlyList<LimitWindow> Windows, TimeSpan Steady)
{
    private static readonly LimitPlan Hot = new("trial-hot", [Window(200, 1), Window(900, 10)], TimeSpan.FromSeconds(30));
    private static readonly LimitPlan Usual = new("trial", [Window(1_000, 1), Window(4_500, 10)], TimeSpan.FromSeconds(22));
    private static readonly LimitPlan Short = new("trial-short", [Window(400, 0.5), Window(1_200, 3)], TimeSpan.FromSeconds(6.5))
    {
        LeastShare = 0.5,
    };

    /// <summary>The settings of the silos: all policies.</summary>
    public static IReadOnlyDictionary<string, string> Settings { get; } =
        ((LimitPlan[])[Hot, Usual, Short]).SelectMany(plan => LimitWindow.SettingsOf(plan.Policy, plan.Windows)).ToDictionary();

    /// <summary>
    /// Like <see cref="Settings"/>, but silos tolerate a slow Redis: on a machine busy with the start of a silo they would otherwise
    /// decide without it, which is a different trial.
    /// </summary>
    public static IReadOnlyDictionary<string, string> PatientSettings { get; } = new Dictionary<string, string>(Settings)
    {
        ["Actors__Breaker__CallTimeout"] = "00:00:20",
        ["Actors__Breaker__SlowCallDuration"] = "00:01:00",
        ["Actors__Breaker__SilenceDuration"] = "00:00:20",
    };

    /// <summary>The minimum share of the allowance. It is lower for a few seconds on a busy machine, where callers are late.</summary>
    public double LeastShare { get; private init; } = LimitCheck.LeastShare;

    /// <summary>The longest window: after this time no earlier grant counts.</summary>
    public TimeSpan Longest => Windows.Max(window => window.Duration);

    /// <summary>The plan of a trial with many clients.</summary>
    public static LimitPlan Of(TrialOptions options) => options.IsShort ? Short : Usual;

    /// <summary>The plan of a trial with one client.</summary>
    public static LimitPlan HotOf(TrialOptions options) => options.IsShort ? Short : Hot;

    private static LimitWindow Window(int limit, double seconds) => new(limit, TimeSpan.FromSeconds(seconds));
}
