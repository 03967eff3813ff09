using System.CommandLine;
using Actors.Cli.Commands;

namespace Actors.Cli.Users;

/// <summary>The options of a write.</summary>
internal sealed class WriteOptionSet
{
    private readonly Option<Durability> _durability = OptionKinds.DurabilityOf(
        "The durability to reach before the write is acknowledged.", Durability.Memory, Durability.Journal, Durability.Database);

    private readonly Option<long?> _expectedVersion = OptionKinds.Version(
        "--expect-version", "Write only if the user is at this version; 0: only if the user does not exist.");

    private readonly Option<string?> _requestId = OptionKinds.Word(
        "--request-id", "Id of the write. A repeated id changes nothing.", "R");

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
