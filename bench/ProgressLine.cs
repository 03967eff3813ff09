namespace Actors.Bench;

/// <summary>Reports progress on stderr: one rewritten line on a terminal, plain lines elsewhere.</summary>
internal sealed class ProgressLine : IDisposable
{
    private const string Clear = "\r\e[2K";

    private readonly bool _isTerminal = !Console.IsErrorRedirected;

    public void Tell(string what)
    {
        if (_isTerminal) Console.Error.Write(Clear + what);
        else Console.Error.WriteLine(what);
    }

    public void Dispose()
    {
        if (_isTerminal) Console.Error.Write(Clear);
    }
}
