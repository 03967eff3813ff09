using Actors.Cli.Output;

namespace Actors.Cli.Limits;

/// <summary>A policy of a client as text, one value per line, and as JSON.</summary>
internal static class PolicyView
{
    public static void Write(string client, RateLimitPolicy policy, Terminal terminal)
    {
        void Line(string name, string value) => terminal.WriteLine(DecisionView.Line(name, value));

        Line("client", client);
        Line("policy", policy.Name);
        foreach (var window in policy.Windows)
            Line("limit", WindowText.Of(window));
        Line("Redis down", policy.OnRedisDown switch
        {
            RedisDownBehavior.Local => "local: applies the same limits locally",
            RedisDownBehavior.Allow => "allow: grants everything",
            RedisDownBehavior.Deny => "deny: denies everything",
            _ => Text.Of(policy.OnRedisDown),
        });
        if (policy.IsShadow)
            Line("note", "shadow mode: decides and reports, but never denies");
    }

    public static void Write(string client, RateLimitPolicy policy, RateLimitDecision now, Terminal terminal)
    {
        Write(client, policy, terminal);
        DecisionView.WriteState(now, terminal);
    }

    public static object Json(string client, RateLimitPolicy policy) => new
    {
        Client = client,
        Policy = Json(policy),
    };

    public static object Json(string client, RateLimitPolicy policy, RateLimitDecision now) => new
    {
        Client = client,
        Policy = Json(policy),
        Now = DecisionJson.Of(now),
    };

    private static object Json(RateLimitPolicy policy) => new
    {
        policy.Name,
        Windows = policy.Windows.Select(DecisionJson.Of),
        policy.OnRedisDown,
        policy.IsShadow,
    };
}
