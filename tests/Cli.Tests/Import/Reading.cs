using System.Text;
using Actors.Cli.Import;

namespace Actors.Cli.Tests.Import;

/// <summary>Reads a text as an import file.</summary>
internal static class Reading
{
    public static Task<List<ImportRecord>> JsonAsync(string text) => JsonAsync(Encoding.UTF8.GetBytes(text));

    public static async Task<List<ImportRecord>> JsonAsync(byte[] bytes) =>
        await ImportFormat.JsonLines.ReadAsync(new MemoryStream(bytes), CancellationToken.None).ToListAsync();

    public static Task<List<ImportRecord>> CsvAsync(string text) => CsvAsync(Encoding.UTF8.GetBytes(text));

    public static async Task<List<ImportRecord>> CsvAsync(byte[] bytes) =>
        await ImportFormat.Csv.ReadAsync(new MemoryStream(bytes), CancellationToken.None).ToListAsync();
}
