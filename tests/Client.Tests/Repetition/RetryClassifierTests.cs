using System.Globalization;
using System.Net.Sockets;
using System.Reflection;
using Microsoft.AspNetCore.Connections;
using Orleans.Runtime.Messaging;
using Orleans.Serialization.Invocation;

namespace Actors.Client.Tests.Repetition;

/// <summary>Which calls may be made again, and after which errors.</summary>
public sealed class RetryClassifierTests
{
    private static readonly RateLimitRequest Waiting = new() { MaxWait = TimeSpan.FromSeconds(3) };

    [Theory]
    [InlineData(nameof(IRateLimiterGrain.RefundUnusedAsync), false)]
    [InlineData(nameof(IRateLimiterGrain.RefundAsync), true)]
    [InlineData(nameof(IRateLimiterGrain.PeekAsync), true)]
    public void Refund_of_grants_without_an_id_is_not_retried(string method, bool isRepeatable) =>
        Assert.Equal(isRepeatable, RetryClassifier.IsRepeatable(Call(typeof(IRateLimiterGrain), method)));

    [Theory]
    [InlineData(null, 0, false)]
    [InlineData("a", 0, true)]
    [InlineData("a", 1, false)]
    public void Acquisition_is_repeatable_if_it_has_an_id_and_does_not_wait(string? id, long wait, bool isRepeatable)
    {
        var request = new RateLimitRequest { RequestId = id, MaxWait = TimeSpan.FromTicks(wait) };
        Assert.Equal(isRepeatable, RetryClassifier.IsRepeatable(Call(typeof(IRateLimiterGrain), nameof(IRateLimiterGrain.AcquireAsync), request, default(CancellationToken))));
    }

    [Fact]
    public void Acquisition_of_many_is_not_repeatable()
    {
        RateLimitRequest[] requests = [new() { RequestId = "a" }];
        Assert.False(RetryClassifier.IsRepeatable(Call(typeof(IRateLimiterGrain), nameof(IRateLimiterGrain.AcquireManyAsync), requests, default(CancellationToken))));
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("a", true)]
    public void Write_is_repeatable_if_it_has_a_request_id(string? id, bool isRepeatable)
    {
        Assert.Equal(isRepeatable, RetryClassifier.IsRepeatable(Update(new() { RequestId = id, ExpectedVersion = 3 })));
        Assert.Equal(isRepeatable, RetryClassifier.IsRepeatable(Delete(new() { RequestId = id })));
    }

    [Fact]
    public void Write_without_options_is_not_repeatable() => Assert.False(RetryClassifier.IsRepeatable(Update(null)));

    [Theory]
    [InlineData(nameof(IUserGrain.GetAsync))]
    [InlineData(nameof(IUserGrain.FlushAsync))]
    [InlineData(nameof(IUserGrain.WaitForAsync))]
    public void Read_is_repeatable(string method) => Assert.True(RetryClassifier.IsRepeatable(Call(typeof(IUserGrain), method)));

    [Fact]
    public void Call_to_a_grain_of_the_app_is_neither_repeatable_nor_ours()
    {
        var call = Call(typeof(IAppGrain), "GetAsync");
        Assert.False(RetryClassifier.IsRepeatable(call));
        Assert.False(RetryClassifier.IsOurs(call));
        Assert.False(RetryClassifier.IsSoonAnswered(call));
    }

    [Fact]
    public void Call_to_the_cluster_is_repeatable_and_soon_answered()
    {
        foreach (var grain in (Type[])[typeof(IClusterGrain), typeof(IRedisBreakerGrain)])
        {
            var call = Call(grain, "GetAsync");
            Assert.True(RetryClassifier.IsRepeatable(call) && RetryClassifier.IsSoonAnswered(call) && RetryClassifier.IsOurs(call));
        }
    }

    [Theory]
    [InlineData(typeof(OrleansMessageRejectionException), "stopping", true)]
    [InlineData(typeof(GatewayTooBusyException), "busy", true)]
    [InlineData(typeof(ConnectionFailedException), "refused", true)]
    [InlineData(typeof(SiloEvictedException), "dead", true)]
    [InlineData(typeof(SiloUnavailableException), "Silo 'S127.0.0.1:1:1' is shutting down.", true)]
    [InlineData(typeof(SiloUnavailableException), "Cannot place grain 'user/a' because there are no compatible silos.", true)]
    [InlineData(typeof(SiloUnavailableException), "Silo 'S127.0.0.1:1:1' is shutting down. Connection closed", false)]
    [InlineData(typeof(SiloUnavailableException), "the target silo is shutting down.", false)]
    [InlineData(typeof(SiloUnavailableException), "", false)]
    [InlineData(typeof(TimeoutException), "", false)]
    [InlineData(typeof(OverloadedException), "full", false)]
    public void Any_call_may_be_made_again_if_no_silo_has_begun_with_it(Type type, string message, bool wasNotBegun)
    {
        var error = type == typeof(OverloadedException) ? new OverloadedException(message, TimeSpan.FromSeconds(1)) : Error(type, message);
        Assert.Equal(wasNotBegun, RetryClassifier.WasNotBegun(error));
    }

    [Fact]
    public void Call_may_have_begun_after_a_timeout_or_a_silo_that_went_away()
    {
        Assert.True(RetryClassifier.MayHaveBegun(new TimeoutException()));
        Assert.True(RetryClassifier.MayHaveBegun(Error(typeof(SiloUnavailableException), "")));
        Assert.False(RetryClassifier.MayHaveBegun(Error(typeof(OrleansMessageRejectionException), "")));
        Assert.False(RetryClassifier.MayHaveBegun(new OperationCanceledException()));
    }

    [Fact]
    public void Answer_of_an_actor_is_no_failure_on_the_way()
    {
        foreach (var error in (Exception[])[new TimeoutException(), new ConnectionAbortedException(), new IOException(), new SocketException(), new InvalidOperationException(),
            Error(typeof(SiloUnavailableException), "")])
            Assert.True(RetryClassifier.IsFailureOnTheWay(error), error.GetType().Name);
        foreach (var error in (Exception[])[new OverloadedException("full", TimeSpan.FromSeconds(1)), new OperationCanceledException(), new ArgumentException()])
            Assert.False(RetryClassifier.IsFailureOnTheWay(error), error.GetType().Name);
    }

    [Fact]
    public void Call_that_waits_for_the_database_or_for_a_turn_is_not_soon_answered()
    {
        var user = typeof(IUserGrain);
        Assert.True(RetryClassifier.IsSoonAnswered(Call(user, nameof(IUserGrain.GetAsync))));
        Assert.True(RetryClassifier.IsSoonAnswered(Update(null)));
        Assert.True(RetryClassifier.IsSoonAnswered(Update(new() { Durability = Durability.Journal })));
        Assert.False(RetryClassifier.IsSoonAnswered(Update(new() { Durability = Durability.Database })));
        Assert.False(RetryClassifier.IsSoonAnswered(Call(user, nameof(IUserGrain.FlushAsync))));
        Assert.False(RetryClassifier.IsSoonAnswered(Call(user, nameof(IUserGrain.WaitForAsync))));
        Assert.True(RetryClassifier.IsSoonAnswered(Acquire(RateLimitRequest.Default)));
        Assert.False(RetryClassifier.IsSoonAnswered(Acquire(Waiting)));
    }

    [Fact]
    public void Write_without_an_id_is_given_one_and_keeps_its_other_options()
    {
        var update = Update(new() { Durability = Durability.Database, ExpectedVersion = 3 });
        RetryClassifier.AssignRequestId(update);
        var options = Assert.IsType<WriteOptions>(update.GetArgument(1));
        Assert.Equal((Durability.Database, 3L), (options.Durability, options.ExpectedVersion));
        Assert.Matches("^[0-9a-f]{32}$", options.RequestId);

        var delete = Delete(null);
        RetryClassifier.AssignRequestId(delete);
        Assert.NotEqual(options.RequestId, Assert.IsType<WriteOptions>(delete.GetArgument(0)).RequestId);
    }

    [Fact]
    public void Write_keeps_the_id_it_has()
    {
        var options = new WriteOptions { RequestId = "mine" };
        var update = Update(options);
        RetryClassifier.AssignRequestId(update);
        Assert.Same(options, update.GetArgument(1));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 0)]
    [InlineData(5, 0)]
    public void Next_attempt_waits_for_the_rest_only(int waited, int left)
    {
        var call = Acquire(Waiting);
        RetryClassifier.Waited(call, TimeSpan.FromSeconds(waited));
        Assert.Equal(Waiting with { MaxWait = TimeSpan.FromSeconds(left) }, call.GetArgument(0));
    }

    [Fact]
    public void Call_that_does_not_wait_is_left_as_it_is()
    {
        var request = new RateLimitRequest();
        var call = Acquire(request);
        RetryClassifier.Waited(call, TimeSpan.FromSeconds(1));
        Assert.Same(request, call.GetArgument(0));
    }

    private static IInvokable Update(WriteOptions? options) =>
        Call(typeof(IUserGrain), nameof(IUserGrain.UpdateAsync), new UserPatch(), options, default(CancellationToken));

    private static IInvokable Delete(WriteOptions? options) =>
        Call(typeof(IUserGrain), nameof(IUserGrain.DeleteAsync), options, default(CancellationToken));

    private static IInvokable Acquire(RateLimitRequest request) =>
        Call(typeof(IRateLimiterGrain), nameof(IRateLimiterGrain.AcquireAsync), request, default(CancellationToken));

    private static IInvokable Call(Type grain, string method, params object?[] arguments) => PlayedRequest.Of(grain, method, arguments);

    // Not all of them have a public constructor: Orleans makes them.
    private static Exception Error(Type type, string message) => (Exception)Activator.CreateInstance(
        type, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, binder: null, [message], CultureInfo.InvariantCulture)!;

    /// <summary>A grain of the app, of which nothing is known here.</summary>
    public interface IAppGrain : IGrainWithStringKey;
}
