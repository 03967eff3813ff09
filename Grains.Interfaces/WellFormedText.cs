using System.Text;

namespace Actors;

/// <summary>Validates text from outside: ids, names, values.</summary>
internal static class WellFormedText
{
    // Strict, so that half of a surrogate pair is an error and not replaced.
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Returns the problem of a text and what is allowed, or null. The text must be well-formed, contain no NUL, and have an allowed
    /// number of UTF-8 bytes. The message is only formatted for an error.
    /// </summary>
    public static string? Problem(string? text, int minBytes, int maxBytes)
    {
        if (text is null) return $"is null; {Allowed()}.";
        int bytes;
        try
        {
            bytes = Utf8.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            return $"{Quote(text)} holds half of a surrogate pair; {Allowed()}, well-formed.";
        }

        if (bytes < minBytes || bytes > maxBytes) return $"{Quote(text)} has {bytes} bytes; {Allowed()}.";
        return text.Contains('\0', StringComparison.Ordinal) ? $"{Quote(text)} holds a NUL character; {Allowed()} without NUL." : null;

        string Allowed() => minBytes == 0 ? $"use up to {maxBytes} bytes of UTF-8" : $"use {minBytes} to {maxBytes} bytes of UTF-8";
    }

    /// <summary>
    /// Like <see cref="Problem"/>, for an id that names a grain. Orleans has no grain with a blank key, and a blank id is the
    /// sender's mistake.
    /// </summary>
    public static string? ProblemOfId(string? id, int maxBytes) =>
        Problem(id, 1, maxBytes)
        ?? (string.IsNullOrWhiteSpace(id) ? $"{Quote(id!)} is blank; use 1 to {maxBytes} bytes of UTF-8, not all of them white space." : null);

    /// <summary>The text quoted for a message: shortened, and on one line.</summary>
    public static string Quote(string text)
    {
        const int Shown = 40;
        return text.Length <= Shown ? $"'{PrintableText.Of(text)}'" : $"'{PrintableText.Of(text[..Shown])}…'";
    }
}
