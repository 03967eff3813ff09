namespace Actors.Fixtures;

/// <summary>A server that is shared by the tests of a project and starts when one of them first uses it.</summary>
/// <param name="server">The server, not started.</param>
/// <param name="start">Starts it.</param>
public sealed class LazyServer<T>(T server, Func<T, Task> start) : IAsyncDisposable
    where T : IAsyncDisposable
{
    // Tests run in parallel: the first one starts the server, and the others wait for it.
    private readonly Lazy<Task> _starting = new(() => Task.Run(() => start(server)));

    /// <summary>The server, running. Blocks while it starts, so that the constructors of tests can use it.</summary>
    public T Started
    {
        get
        {
            _starting.Value.GetAwaiter().GetResult();
            return server;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => server.DisposeAsync();
}
