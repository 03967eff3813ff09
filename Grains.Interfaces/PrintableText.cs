using System.Globalization;
using System.Text;

namespace Actors;

/// <summary>
/// Makes external text safe for a log line, an error message or a header: characters that could break the line, forge another
/// one or control a terminal are escaped as <c>\u001b</c>.
/// </summary>
internal static class PrintableText
{
    /// <summary>The text on one line, without characters that control a terminal.</summary>
    public static string Of(string text)
    {
        var first = FirstUnprintable(text);
        if (first < 0) return text;
        var printable = new StringBuilder(text, 0, first, text.Length + 16);
        for (var i = first; i < text.Length; i++)
        {
            if (IsPrintable(text, i)) printable.Append(text[i]);
            else printable.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i]:x4}");
        }

        return printable.ToString();
    }

    private static int FirstUnprintable(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!IsPrintable(text, i)) return i;
        }

        return -1;
    }

    // Direction marks and overrides would let a name rearrange the line around it.
    private static bool IsPrintable(string text, int at)
    {
        var c = text[at];
        if (char.IsHighSurrogate(c)) return at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]);
        if (char.IsLowSurrogate(c)) return at > 0 && char.IsHighSurrogate(text[at - 1]);
        return !char.IsControl(c)
            && c is not ('\u061c' or '\u200e' or '\u200f' or '\u2028' or '\u2029'
                or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069'));
    }
}
