using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Limits;

/// <summary>The options that say what a policy of a client is to be.</summary>
internal sealed class PolicyOptions
{
    private readonly Option<string[]> _limits = OptionKinds.Repeated(
        "--limit", "A window: so many permits per duration, e.g. 10/1s, 100/min, 1000/1h; several are judged together.", "N/DURATION");

    private readonly Option<string> _onRedisDown = OptionKinds.Choice(
        "--on-redis-down", "While Redis is away: go on with the same limits, allow all, or deny all.",
        [.. Enum.GetValues<RedisDownBehavior>().Select(Text.Of)]);

    private readonly Option<bool> _shadow = new("--shadow") { Description = "Decide and report, and never deny." };

    private readonly Option<bool> _remove = new("--remove")
    {
        Description = "Take the client's own policy away, so that the configured one counts again.",
    };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_limits, _onRedisDown, _shadow, _remove])
            command.Add(option);
    }

    /// <summary>The policy; null where it is to be removed.</summary>
    /// <exception cref="UsageException">A value cannot be read, two contradict each other, or there is none.</exception>
    /// <exception cref="InvalidRateLimitException">The policy is outside of <see cref="RateLimits"/>.</exception>
    public RateLimitPolicy? Read(ParseResult parsed, string name)
    {
        var limits = parsed.GetValue(_limits) ?? [];
        if (parsed.GetValue(_remove))
        {
            return limits.Length == 0 && !parsed.GetValue(_shadow) && parsed.GetResult(_onRedisDown) is not { Implicit: false }
                ? null
                : throw new UsageException("--remove stands alone; allowed beside it is --policy");
        }
        if (limits.Length == 0)
            throw new UsageException("nothing to set; name at least one --limit, e.g. --limit 10/1s, or --remove");
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
