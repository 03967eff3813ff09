using System.Globalization;

namespace Actors.Cli.Output;

/// <summary>Formats values as text: consistent, and safe to write to a terminal.</summary>
internal static class Text
{
    public static string Of(Durability durability) => durability switch
    {
        Durability.Memory => "memory",
        Durability.Journal => "journal",
        Durability.Database => "database",
        _ => ((int)durability).ToString(CultureInfo.InvariantCulture),
    };

    public static string Of(BreakerState state) => state switch
    {
        BreakerState.Closed => "closed",
        BreakerState.HalfOpen => "half-open",
        BreakerState.Open => "open",
        BreakerState.Isolated => "isolated",
        _ => ((int)state).ToString(CultureInfo.InvariantCulture),
    };

    public static string Of(WriteBehindState state) => state switch
    {
        WriteBehindState.Buffering => "buffering",
        WriteBehindState.Slowing => "slowing",
        WriteBehindState.WritingThrough => "writing through",
        WriteBehindState.Refusing => "refusing",
        _ => ((int)state).ToString(CultureInfo.InvariantCulture),
    };

    public static string Of(RateLimitSource source) => source switch
    {
        RateLimitSource.Redis => "redis",
        RateLimitSource.Local => "local",
        _ => ((int)source).ToString(CultureInfo.InvariantCulture),
    };

    public static string Of(RedisDownBehavior behavior) => behavior switch
    {
        RedisDownBehavior.Local => "local",
        RedisDownBehavior.Allow => "allow",
        RedisDownBehavior.Deny => "deny",
        _ => ((int)behavior).ToString(CultureInfo.InvariantCulture),
    };

    public static string Of(long number) => number.ToString("#,0", CultureInfo.InvariantCulture);

    public static string Of(TimeSpan time) => time switch
    {
        { TotalDays: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalDays}d {time.Hours}h"),
        { TotalHours: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Hours}h {time.Minutes}m"),
        { TotalMinutes: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.Minutes}m {time.Seconds}s"),
        { TotalSeconds: >= 10 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        { TotalSeconds: >= 1 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
        { TotalMilliseconds: >= 10 } => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0} ms"),
        { Ticks: 0 } => "0 s",
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.00} ms"),
    };

    public static string Of(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.0} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0.0} MiB"),
        >= 1L << 10 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 10):0.0} KiB"),
        _ => $"{bytes} B",
    };

    /// <summary>A rate of 0 to 1; "-" if nothing was counted.</summary>
    public static string Percent(double rate, long of) =>
        of == 0 ? "-" : (rate * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    /// <summary>"1 user", "2 users".</summary>
    public static string Count(long number, string one, string? many = null) =>
        $"{Of(number)} {(number == 1 ? one : many ?? one + "s")}";

    /// <inheritdoc cref="PrintableText.Of"/>
    public static string Printable(string text) => PrintableText.Of(text);

    /// <summary>Like <see cref="Printable"/>, shortened to fit into a message.</summary>
    public static string Short(string text, int longest = 64) =>
        text.Length <= longest ? Printable(text) : Printable(text[..longest]) + "…";
}
