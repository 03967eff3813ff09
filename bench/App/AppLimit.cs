namespace Actors.Bench.App;

/// <summary>A limit that the app charges: the policy of the silo, and the same window for the peers.</summary>
/// <param name="Policy">The name of the policy.</param>
/// <param name="Clients">The number of clients; each call is for a random one.</param>
/// <param name="Window">The window.</param>
/// <param name="IsAllowed">The expected answer: the window never fills, or is full from the start.</param>
internal sealed record AppLimit(string Policy, int Clients, RateLimitWindow Window, bool IsAllowed = true)
{
    /// <summary>10,000 clients, none of which can use its permits up.</summary>
    public static AppLimit Many { get; } = new("many", 10_000, new(1_000, TimeSpan.FromSeconds(1)));

    /// <summary>One client. The longest window of the largest limit that no single machine fills.</summary>
    public static AppLimit Hot { get; } = new("hot", 1, new(RateLimits.MaxLimit, TimeSpan.FromMilliseconds(200)));

    /// <summary>One client whose window is full.</summary>
    public static AppLimit Full { get; } = new("full", 1, new(100, TimeSpan.FromHours(1)), IsAllowed: false);

    public static IReadOnlyList<AppLimit> All { get; } = [Many, Hot, Full];

    /// <summary>The names of the clients, made in advance because making them is not measured.</summary>
    public string[] Names { get; } = [.. Enumerable.Range(0, Clients).Select(i => $"{Policy}-{i:D8}")];

    /// <summary>Fills the window if all calls must be denied.</summary>
    public async Task FillAsync(Func<Task<bool>> acquire)
    {
        for (var i = 0; !IsAllowed && i < Window.Limit; i++)
        {
            if (!await acquire()) throw new InvalidOperationException($"Permit {i + 1} of {Window} was denied.");
        }
    }
}
