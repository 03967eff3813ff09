namespace Actors;

/// <summary>The bounds of users and of writes to them. Sizes are bytes of UTF-8.</summary>
public static class UserLimits
{
    /// <summary>A user id: 1 to 512 bytes, no NUL, not blank.</summary>
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

    /// <summary>How many recent request ids of a user are remembered: 32.</summary>
    public const int RememberedRequests = 32;

    /// <summary>The maximum time a request id is remembered: 10 minutes.</summary>
    public static readonly TimeSpan RequestIdMemory = TimeSpan.FromMinutes(10);

    /// <summary>Checks a user id.</summary>
    /// <exception cref="InvalidUserException">
    /// The id is not 1 to <see cref="MaxIdBytes"/> bytes of text without NUL, or is blank (all white space).
    /// </exception>
    public static void ValidateId(string? id)
    {
        if (WellFormedText.ProblemOfId(id, MaxIdBytes) is { } problem) throw new InvalidUserException($"The user id {problem}");
    }

    /// <summary>Checks that a text is well-formed, contains no NUL, and has an allowed size.</summary>
    /// <param name="what">The subject of the message.</param>
    /// <param name="text">The text.</param>
    /// <param name="minBytes">The minimum bytes.</param>
    /// <param name="maxBytes">The maximum bytes.</param>
    /// <param name="name">The name of the value. Separate, so that the message is only formatted for an error.</param>
    /// <exception cref="InvalidUserException">The text is invalid; the message says what is allowed.</exception>
    internal static void ValidateText(string what, string? text, int minBytes, int maxBytes, string? name = null)
    {
        if (WellFormedText.Problem(text, minBytes, maxBytes) is { } problem)
            throw new InvalidUserException($"{what}{(name is null ? "" : " " + WellFormedText.Quote(name))} {problem}");
    }
}
