using System.Reflection;
using Orleans.Serialization.Invocation;

namespace Actors.Client.Tests.Repetition;

/// <summary>A request as Orleans' proxies make it, without a silo.</summary>
public class PlayedRequest : DispatchProxy
{
    private Type? _grain;
    private string _method = "";
    private object?[] _arguments = [];

    /// <summary>A call of a method of a grain interface.</summary>
    public static IInvokable Of(Type grain, string method, params object?[] arguments)
    {
        var request = Create<IInvokable, PlayedRequest>();
        var played = (PlayedRequest)(object)request;
        (played._grain, played._method, played._arguments) = (grain, method, arguments);
        return request;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod?.Name switch
    {
        nameof(IInvokable.GetInterfaceType) => _grain,
        nameof(IInvokable.GetMethodName) => _method,
        nameof(IInvokable.GetArgumentCount) => _arguments.Length,
        nameof(IInvokable.GetArgument) => _arguments[(int)args![0]!],
        nameof(IInvokable.SetArgument) => _arguments[(int)args![0]!] = args[1],
        _ => throw new NotSupportedException(targetMethod?.Name),
    };
}
