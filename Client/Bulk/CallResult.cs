using System.Runtime.ExceptionServices;

namespace Actors;

/// <summary>The result of one of many calls: its value, or its error.</summary>
/// <typeparam name="T">The result of a single call.</typeparam>
public sealed class CallResult<T>
{
    private readonly T? _value;

    internal CallResult(string id, T value) => (Id, _value) = (id, value);

    internal CallResult(string id, Exception error) => (Id, Error) = (id, error);

    /// <summary>The id of the user or client.</summary>
    public string Id { get; }

    /// <summary>The error that a single call would throw; null on success.</summary>
    public Exception? Error { get; }

    /// <summary>The result of a call that succeeded.</summary>
    /// <exception cref="Exception">The call failed: this is its <see cref="Error"/>.</exception>
    public T Value
    {
        get
        {
            if (Error is not null) ExceptionDispatchInfo.Throw(Error);
            return _value!;
        }
    }
}
