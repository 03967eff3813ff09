using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Limits;

/// <summary>The options that define a client's own policy.</summary>
internal sealed class PolicyOptions
{
    private readonly Option<string[]> _limits = OptionKinds.Repeated(
        "--limit", "A window of permits per duration, e.g. 10/1s, 100/min, 1000/1h; a call must fit into all windows.", "N/DURATION");

    private readonly Option<string> _onRedisDown = OptionKinds.Choice(
        "--on-redis-down", "While Redis is away: apply the same limits locally, allow all, or deny all.",
        [.. Enum.GetValues<RedisDownBehavior>().Select(Text.Of)]);

    private readonly Option<bool> _shadow = new("--shadow") { Description = "Decide and report, but never deny." };

    private readonly Option<bool> _remove = new("--remove")
    {
        Description = "Remove the client's own policy; the configured one applies again.",
    };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_limits, _onRedisDown, _shadow, _remove])
            command.Add(option);
    }

    /// <summary>The policy; null to remove it.</summary>
    /// <exception cref="UsageException">A value is invalid, two values contradict each other, or no value is given.</exception>
    /// <exception cref="InvalidRateLimitException">The policy violates <see cref="RateLimits"/>.</exception>
    public RateLimitPolicy? Read(ParseResult parsed, string name)
    {
        var limits = parsed.GetValue(_limits) ?? [];
        if (parsed.GetValue(_remove))
        {
            return limits.Length == 0 && !parsed.GetValue(_shadow) && parsed.GetResult(_onRedisDown) is not { Implicit: false }
                ? null
                : throw new UsageException("--remove can be combined only with --policy");
        }
        if (limits.Length == 0)
            throw new UsageException("nothing to set; use at least one --limit, e.g. --limit 10/1s, or --remove");
        var policy = new RateLimitPolicy
        {
            Name = name,
            Windows = [.. limits.Select(WindowText.Parse)],
            OnRedisDown = Enum.GetValues<RedisDownBehavior>().First(each => Text.Of(each) == parsed.GetRequiredValue(_onRedisDown)),
            IsShadow = parsed.GetValue(_shadow),
        };
        RateLimits.Validate(policy);
        return policy;
    }
}
