using Microsoft.Extensions.Options;

namespace Actors.RateLimiting;

/// <summary>The policies of the current configuration. Thread-safe.</summary>
internal sealed class ConfiguredPolicies : IDisposable
{
    private static readonly RateLimitPolicy Default =
        new() { Name = RateLimits.DefaultPolicy, Windows = [new(100, TimeSpan.FromSeconds(1))] };

    private readonly IDisposable? _changes;

    // Replaced as a whole when the configuration changes.
    private volatile IReadOnlyDictionary<string, RateLimitPolicy> _policies;

    public ConfiguredPolicies(IOptionsMonitor<RateLimitOptions> options)
    {
        _policies = Read(options.CurrentValue);
        _changes = options.OnChange(changed => _policies = Read(changed));
    }

    public IEnumerable<string> Names => _policies.Keys.Order(StringComparer.Ordinal);

    public RateLimitPolicy? Find(string name) => _policies.GetValueOrDefault(name);

    public void Dispose() => _changes?.Dispose();

    private static Dictionary<string, RateLimitPolicy> Read(RateLimitOptions options)
    {
        var policies = options.Policies.ToDictionary(each => each.Key, each => ToPolicy(each.Key, each.Value));
        policies.TryAdd(Default.Name, Default);
        return policies;
    }

    private static RateLimitPolicy ToPolicy(string name, RateLimitOptions.PolicyOptions policy) => new()
    {
        Name = name,
        Windows = [.. policy.Windows.Select(window => new RateLimitWindow(window.Limit, window.Duration))],
        OnRedisDown = policy.OnRedisDown,
        IsShadow = policy.IsShadow,
    };

    /// <summary>Validates the policies and reports failures by their configuration keys.</summary>
    internal sealed class Validator : IValidateOptions<RateLimitOptions>
    {
        public ValidateOptionsResult Validate(string? name, RateLimitOptions options)
        {
            var failures = new List<string>();
            foreach (var (key, policy) in options.Policies)
            {
                try
                {
                    RateLimits.Validate(ToPolicy(key, policy));
                }
                catch (InvalidRateLimitException error)
                {
                    failures.Add($"{RateLimitOptions.Section}:{nameof(RateLimitOptions.Policies)}:{key}: {error.Message}");
                }
            }

            return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
        }
    }
}
