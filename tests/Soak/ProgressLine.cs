namespace Actors.Soak;

/// <summary>
/// A line on stderr that is redrawn on a terminal and otherwise printed a few times a minute. Diary lines go above it.
/// Thread-safe.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private const string Clear = "\r\e[2K";
    private static readonly TimeSpan BetweenLines = TimeSpan.FromSeconds(15);

    private readonly bool _isTerminal = !Console.IsErrorRedirected;

    // Guards the console and the fields below.
    private readonly Lock _gate = new();
    private string _line = "";
    private DateTime _printed;

    public void Tell(string line)
    {
        lock (_gate)
        {
            _line = line;
            if (_isTerminal)
            {
                Console.Error.Write(Clear + Fitting(line));
            }
            else if (DateTime.UtcNow - _printed >= BetweenLines)
            {
                Console.Error.WriteLine(line);
                _printed = DateTime.UtcNow;
            }
        }
    }

    public void Above(string text)
    {
        lock (_gate)
        {
            if (_isTerminal) Console.Error.Write(Clear);
            Console.Out.WriteLine(text);
            if (_isTerminal) Console.Error.Write(Fitting(_line));
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_isTerminal) Console.Error.Write(Clear);
        }
    }

    private static string Fitting(string line) => line.Length < Console.WindowWidth ? line : line[..Math.Max(0, Console.WindowWidth - 1)];
}
