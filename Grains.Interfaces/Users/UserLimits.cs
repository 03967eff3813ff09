using System.Globalization;
using System.Text;

namespace Actors;

/// <summary>The limits on users and what is written to them. Sizes are bytes of UTF-8.</summary>
public static class UserLimits
{
    /// <summary>A user id: 1 to 512 bytes, no NUL.</summary>
    public const int MaxIdBytes = 512;

    /// <summary>A display name: up to 512 bytes.</summary>
    public const int MaxDisplayNameBytes = 512;

    /// <summary>An e-mail address: up to 320 bytes, with one @ that is neither first nor last.</summary>
    public const int MaxEmailBytes = 320;

    /// <summary>Attributes of one user: up to 256.</summary>
    public const int MaxAttributes = 256;

    /// <summary>The name of an attribute or of a counter, and a tag: 1 to 128 bytes.</summary>
    public const int MaxNameBytes = 128;

    /// <summary>The value of an attribute: up to 4096 bytes.</summary>
    public const int MaxAttributeValueBytes = 4096;

    /// <summary>Counters of one user: up to 256.</summary>
    public const int MaxCounters = 256;

    /// <summary>Tags of one user: up to 256.</summary>
    public const int MaxTags = 256;

    /// <summary>A whole user as it is stored (JSON): up to 65,536 bytes.</summary>
    public const int MaxUserBytes = 64 * 1024;

    /// <summary>A request id: 1 to 64 bytes.</summary>
    public const int MaxRequestIdBytes = 64;

    /// <summary>How many of the last request ids of a user are remembered: 32.</summary>
    public const int RememberedRequests = 32;

    /// <summary>How long a request id is remembered at most: 10 minutes.</summary>
    public static readonly TimeSpan RequestIdMemory = TimeSpan.FromMinutes(10);

    /// <summary>Checks a user id: 1 to <see cref="MaxIdBytes"/> bytes of UTF-8, no NUL, no unpaired surrogates.</summary>
    /// <exception cref="InvalidUserException">The id is outside of that; the message shows it, shortened and escaped.</exception>
    public static void ValidateId(string? id)
    {
        string fault;
        if (string.IsNullOrEmpty(id))
            fault = "is empty";
        else if (id.Contains('\0', StringComparison.Ordinal))
            fault = "holds a NUL character";
        else if (HasUnpairedSurrogate(id))
            fault = "holds an unpaired surrogate, which UTF-8 cannot carry";
        else if (id.Length > MaxIdBytes || Encoding.UTF8.GetByteCount(id) > MaxIdBytes)
            fault = $"has {Encoding.UTF8.GetByteCount(id)} bytes";
        else
            return;
        throw new InvalidUserException(
            $"The user id '{Shown(id)}' {fault}; allowed are 1 to {MaxIdBytes} bytes of UTF-8 without NUL.");
    }

    private static bool HasUnpairedSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return true;
            i++;
        }
        return false;
    }

    /// <summary>The text as it may stand in a message or a log: on one line, printable, and not longer than one.</summary>
    private static string Shown(string? text)
    {
        const int Longest = 64;
        var shown = new StringBuilder();
        foreach (var c in text.AsSpan(0, Math.Min(text?.Length ?? 0, Longest)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029')
                shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                shown.Append(c);
        }
        return text?.Length > Longest ? shown.Append('…').ToString() : shown.ToString();
    }
}
