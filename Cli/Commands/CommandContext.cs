using Actors.Cli.Connection;
using Actors.Cli.Output;
using Microsoft.Extensions.Configuration;

namespace Actors.Cli.Commands;

/// <summary>All that a command touches of the world outside.</summary>
internal sealed class CommandContext
{
    public required Terminal Terminal { get; init; }

    public required IClusterConnector Connector { get; init; }

    public required IConfiguration Configuration { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Opens standard input.</summary>
    public Func<Stream> OpenInput { get; init; } = Console.OpenStandardInput;

    /// <summary>Opens standard output for bytes; the terminal writes there as well.</summary>
    public Func<Stream> OpenOutput { get; init; } = Console.OpenStandardOutput;

    /// <summary>Where to begin looking for the embedded silo.</summary>
    public string Directory { get; init; } = System.IO.Directory.GetCurrentDirectory();
}
