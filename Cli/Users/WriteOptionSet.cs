using System.CommandLine;
using Actors.Cli.Commands;

namespace Actors.Cli.Users;

/// <summary>The options that say how a write is to be made.</summary>
internal sealed class WriteOptionSet
{
    private readonly Option<Durability> _durability = OptionKinds.DurabilityOf(
        "What must be reached before the write is acknowledged.", Durability.Memory, Durability.Journal, Durability.Database);

    private readonly Option<long?> _expectedVersion = OptionKinds.Version(
        "--expect-version", "Write only where the user is at this version; 0: where there is no such user.");

    private readonly Option<string?> _requestId = OptionKinds.Word(
        "--request-id", "Names the write: repeating it with the same id changes nothing.", "R");

    public void AddTo(Command command)
    {
        command.Add(_durability);
        command.Add(_expectedVersion);
        command.Add(_requestId);
    }

    public WriteOptions Read(ParseResult parsed) => new()
    {
        Durability = parsed.GetValue(_durability),
        ExpectedVersion = parsed.GetValue(_expectedVersion),
        RequestId = parsed.GetValue(_requestId),
    };
}
