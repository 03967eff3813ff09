using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>
/// Saves the gateways that Redis listed last, in a file per cluster, so that a client that starts while Redis is unavailable finds
/// the silos. The file holds addresses and nothing secret. A missing, damaged or unwritable file is ignored.
/// </summary>
internal sealed partial class RememberedGateways
{
    private const int MaxGateways = 100;
    private const int MaxBytes = 16 * 1024;
    private const int MaxFiles = 32;
    private const string Prefix = "gateways-";

    private readonly string? _file;
    private readonly ILogger<RememberedGateways> _logger;

    // Written by one refresh at a time.
    private string? _saved;

    public RememberedGateways(IOptions<ActorsClientOptions> options, ClusterLocation location, ILogger<RememberedGateways> logger)
    {
        _logger = logger;
        if (options.Value.RememberGateways && location.Redis is not null
            && (options.Value.StateDirectory ?? DirectoryOfUser()) is { Length: > 0 } directory)
        {
            _file = Path.Combine(directory, Prefix + NameOf(options.Value, location) + ".json");
        }
    }

    /// <summary>The state directory of the current user; null if there is none.</summary>
    internal static string? DirectoryOfUser()
    {
        var root = OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
            ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : StateHome();
        return string.IsNullOrEmpty(root) ? null : Path.Combine(root, "actors");
    }

    /// <summary>The saved gateways, or none.</summary>
    public IReadOnlyList<IPEndPoint> Load()
    {
        if (_file is null) return [];
        try
        {
            // One byte more than allowed, so that a larger file is detected but never read as a whole.
            var bytes = new byte[MaxBytes + 1];
            using var file = File.OpenRead(_file);
            var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > MaxBytes) return [];
            var texts = JsonSerializer.Deserialize<Content>(bytes.AsSpan(0, length))?.Gateways ?? [];
            var gateways = texts.Take(MaxGateways)
                .Select(text => IPEndPoint.TryParse(text ?? "", out var gateway) && gateway.Port != 0 ? gateway : null);
            return [.. gateways.OfType<IPEndPoint>()];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            LogUnreadable(_logger, _file, error.Message);
            return [];
        }
    }

    /// <summary>Saves the gateways, unless they are saved already.</summary>
    public void Save(IEnumerable<IPEndPoint> gateways)
    {
        if (_file is null) return;
        var content = JsonSerializer.Serialize(new Content(
            [.. gateways.Select(gateway => gateway.ToString()).Order(StringComparer.Ordinal).Take(MaxGateways)]));
        if (content == _saved) return;
        try
        {
            Replace(_file, content);
            _saved = content;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            LogNotSaved(_logger, _file, error.Message);

            // A read-only disk stays read-only; log this once.
            _saved = content;
        }
    }

    // Another process may read or write the same file; it sees either the old or the new content.
    private static void Replace(string file, string content)
    {
        var directory = Path.GetDirectoryName(file)!;
        var temporary = $"{file}.{Environment.ProcessId}.tmp";
        var creation = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(directory);
        }
        else
        {
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            creation.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var stream = new FileStream(temporary, creation))
            stream.Write(Encoding.UTF8.GetBytes(content));
        File.Move(temporary, file, overwrite: true);
        var tooMany = new DirectoryInfo(directory).GetFiles(Prefix + "*")
            .OrderByDescending(each => each.LastWriteTimeUtc).Skip(MaxFiles);
        foreach (var old in tooMany) old.Delete();
    }

    // Clusters with the same ids differ in their Redis. Embedded clusters may reuse a port one after the other.
    private static string NameOf(ActorsClientOptions options, ClusterLocation location)
    {
        var embedded = location.Embedded is { } silo
            ? string.Create(CultureInfo.InvariantCulture, $"{silo.File}\n{silo.ProcessId}") : "";
        var identity = $"{options.ClusterId}\n{options.ServiceId}\n{location.Address}\n{embedded}";
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(identity)))[..16];
    }

    private static string? StateHome()
    {
        if (Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { } given && Path.IsPathRooted(given)) return given;
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return home.Length == 0 ? null : Path.Combine(home, ".local", "state");
    }

    [LoggerMessage(EventId = 7001, Level = LogLevel.Debug, Message = "The last known gateways in {File} cannot be read: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, string file, string reason);

    [LoggerMessage(EventId = 7002, Level = LogLevel.Debug, Message = "The gateways cannot be saved to {File}: {Reason}")]
    private static partial void LogNotSaved(ILogger logger, string file, string reason);

    private sealed record Content(IReadOnlyList<string?> Gateways);
}
