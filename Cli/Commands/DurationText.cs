using System.Buffers;
using System.Globalization;

namespace Actors.Cli.Commands;

/// <summary>Parses and formats durations: "500ms", "1.5s", "10m", "1h", "7d"; a unit alone means one of it.</summary>
internal static class DurationText
{
    /// <summary>The allowed format, for messages.</summary>
    public const string Allowed = "a number and one of ms, s, m, h, d, e.g. 500ms or 1.5s";

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    private static readonly (string[] Names, TimeSpan Unit)[] Units =
    [
        (["ms"], TimeSpan.FromMilliseconds(1)),
        (["s", "sec", "second", "seconds"], TimeSpan.FromSeconds(1)),
        (["m", "min", "minute", "minutes"], TimeSpan.FromMinutes(1)),
        (["h", "hour", "hours"], TimeSpan.FromHours(1)),
        (["d", "day", "days"], TimeSpan.FromDays(1)),
    ];

    /// <summary>False if the text is not a duration or exceeds the range.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var digits = text.AsSpan().IndexOfAnyExcept(Digits);
        if (digits < 0)
            return text == "0";
        var unit = Units.FirstOrDefault(each => each.Names.Contains(text[digits..], StringComparer.OrdinalIgnoreCase)).Unit;
        var number = 1m;
        if (unit == TimeSpan.Zero
            || (digits > 0 && !decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out number)))
        {
            return false;
        }
        if (number > TimeSpan.MaxValue.Ticks / unit.Ticks)
            return false;
        duration = TimeSpan.FromTicks((long)(number * unit.Ticks));
        return true;
    }

    /// <summary>The exact duration in the largest unit that needs no fraction: "1s", "1500ms", "1h".</summary>
    public static string Of(TimeSpan duration)
    {
        if (duration == TimeSpan.Zero)
            return "0";
        var (names, unit) = Units.LastOrDefault(each => duration.Ticks % each.Unit.Ticks == 0, Units[0]);
        return ((decimal)duration.Ticks / unit.Ticks).ToString("0.####", CultureInfo.InvariantCulture) + names[0];
    }
}
