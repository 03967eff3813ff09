using System.Reflection;
using Actors.Client.Tests.RateLimiting;

namespace Actors.Client.Tests.Repetition;

/// <summary>Which limiter calls can be retried.</summary>
public sealed class RetryClassifierTests
{
    [Theory]
    [InlineData(nameof(IRateLimiterGrain.RefundUnusedAsync), false)]
    [InlineData(nameof(IRateLimiterGrain.RefundAsync), true)]
    [InlineData(nameof(IRateLimiterGrain.PeekAsync), true)]
    public void Refund_of_grants_without_an_id_is_not_retried(string method, bool isRepeatable)
    {
        var call = DispatchProxy.Create<IOutgoingGrainCallContext, Call>();
        ((Call)(object)call).Method = method;
        Assert.Equal(isRepeatable, RetryClassifier.IsRepeatable(call));
    }

    public class Call : DispatchProxy
    {
        public string Method { get; set; } = "";

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod?.Name switch
        {
            "get_Grain" => new PlayedLimiter(),
            "get_MethodName" => Method,
            _ => throw new NotSupportedException(targetMethod?.Name),
        };
    }
}
