using Actors.Cli.Connection;
using Actors.Cli.Output;
using Microsoft.Extensions.Configuration;

namespace Actors.Cli.Commands;

/// <summary>The environment of a command.</summary>
internal sealed class CommandContext
{
    public required Terminal Terminal { get; init; }

    public required IClusterConnector Connector { get; init; }

    public required IConfiguration Configuration { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Opens standard input.</summary>
    public Func<Stream> OpenInput { get; init; } = Console.OpenStandardInput;

    /// <summary>Opens standard output for bytes; the terminal writes to it as well.</summary>
    public Func<Stream> OpenOutput { get; init; } = Console.OpenStandardOutput;

    /// <summary>The directory where the search for the embedded silo starts.</summary>
    public string Directory { get; init; } = System.IO.Directory.GetCurrentDirectory();
}
