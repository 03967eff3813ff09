using System.Security.Cryptography;

namespace Actors.Cli.Import;

/// <summary>Identifies the content of a file.</summary>
internal static class Fingerprint
{
    /// <summary>32 hexadecimal digits over the whole content; rewinds the stream.</summary>
    public static async Task<string> OfAsync(Stream stream, CancellationToken cancellationToken)
    {
        var hash = await SHA256.HashDataAsync(stream, cancellationToken);
        stream.Position = 0;
        return Convert.ToHexStringLower(hash.AsSpan(0, 16));
    }
}
