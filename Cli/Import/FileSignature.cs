namespace Actors.Cli.Import;

/// <summary>Detects the kind of a file by its first bytes, independent of its name.</summary>
internal static class FileSignature
{
    public static bool IsGzip(ReadOnlySpan<byte> begins) => begins.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]);

    /// <summary>Why the file cannot be imported, or null.</summary>
    public static string? Problem(ReadOnlySpan<byte> begins) => begins switch
    {
        _ when begins.StartsWith("PK\u0003\u0004"u8) => Compressed("a ZIP archive", "unzip -p"),
        _ when begins.StartsWith((ReadOnlySpan<byte>)[0x28, 0xB5, 0x2F, 0xFD]) => Compressed("compressed by zstd", "zstd -dc"),
        _ when begins.StartsWith("BZh"u8) => Compressed("compressed by bzip2", "bzip2 -dc"),
        _ when begins.StartsWith((ReadOnlySpan<byte>)[0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]) => Compressed("compressed by xz", "xz -dc"),
        _ when IsGzip(begins) => Compressed("compressed twice", "gzip -dc"),
        _ when begins.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || begins.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]) =>
            "is UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8",
        _ => null,
    };

    private static string Compressed(string what, string command) =>
        $"is {what}; use plain text or gzip: {command} FILE | actors import - --format jsonl";
}
