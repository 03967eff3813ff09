using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Actors.Calls;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime.Messaging;
using Orleans.TestingHost;

namespace Actors.Client.Tests.Repetition;

/// <summary>Which calls are retried, after which errors, and how often. Uses a real client and a real silo.</summary>
public sealed class RetryFilterTests : IAsyncLifetime
{
    private readonly Network _network = new();
    private readonly string _id = Guid.NewGuid().ToString("n");

    // Set by each test before its first call; read when the client is built.
    private Action<ActorsClientOptions> _configure = _ => { };
    private InProcessTestCluster? _cluster;

    // The silo deaths that the cluster reports.
    private SiloDeath[] _deaths = [];

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null) await _cluster.DisposeAsync();
    }

    [Theory]
    [InlineData(typeof(OrleansMessageRejectionException), "Silo stopping")]
    [InlineData(typeof(GatewayTooBusyException), "busy")]
    [InlineData(typeof(ConnectionFailedException), "refused")]
    [InlineData(typeof(SiloUnavailableException), "Silo 'S127.0.0.1:1:1' is shutting down.")]
    [InlineData(typeof(SiloUnavailableException), "Cannot place grain 'user/a' because there are no compatible silos.")]
    public async Task Call_that_no_silo_started_is_always_retried(Type type, string message)
    {
        var error = Error(type, message);
        _network.Refuses(error).Refuses(error);
        var user = await UserAsync();
        await user.UpdateAsync(new());
        Assert.Equal(["Update "], CountingUser.CallsOf(_id));
    }

    [Theory]
    [InlineData(typeof(SiloUnavailableException))]
    [InlineData(typeof(TimeoutException))]
    public async Task Write_without_a_request_id_is_not_retried_if_it_may_have_taken_effect(Type type)
    {
        var error = Error(type);
        _network.LosesTheAnswer(error).LosesTheAnswer(error);
        var user = await UserAsync();
        var unreachable = await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.UpdateAsync(new()));
        Assert.True(unreachable.MayHaveTakenEffect);
        Assert.IsType(type, unreachable.InnerException);

        // A retry would conflict with itself.
        await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.DeleteAsync(new() { ExpectedVersion = 1 }));
        Assert.Equal(["Update ", "Delete "], CountingUser.CallsOf(_id));
    }

    [Theory]
    [InlineData(typeof(SiloUnavailableException))]
    [InlineData(typeof(TimeoutException))]
    public async Task Idempotent_calls_are_retried(Type type)
    {
        var error = Error(type);
        foreach (var _ in Enumerable.Range(0, 5)) _network.LosesTheAnswer(error);
        var user = await UserAsync(options => options.MaxAttempts = 2);
        await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.GetAsync());
        await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.FlushAsync());
        await user.WaitForAsync(1, Durability.Journal);
        await user.UpdateAsync(new(), new() { RequestId = "a" });
        Assert.Equal(["Get", "Get", "Flush", "Flush", "WaitFor", "WaitFor", "Update a"], CountingUser.CallsOf(_id));
    }

    [Fact]
    public async Task Call_whose_message_failed_is_retried_by_the_same_rules()
    {
        var user = await UserAsync(options => (options.MaxAttempts, options.ResponseTimeout) = (2, TimeSpan.FromSeconds(20)));
        FailedFirst(new TimeoutException());
        await user.GetAsync();

        FailedFirst(new TimeoutException());
        var unreachable = await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.UpdateAsync(new()));
        Assert.True(unreachable.MayHaveTakenEffect);

        FailedFirst(Error(typeof(ConnectionFailedException), "refused"));
        await user.UpdateAsync(new());

        // The next call has no earlier attempt.
        await user.DeleteAsync();
        Assert.Equal(["Get", "Update ", "Delete "], CountingUser.CallsOf(_id));

        // No time is left for another attempt.
        new FirstAttempt(Stopwatch.GetTimestamp() - (30 * Stopwatch.Frequency), new TimeoutException()).HandOver();
        await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.GetAsync());
        Assert.Equal(3, CountingUser.CallsOf(_id).Count);

        static void FailedFirst(Exception error) => new FirstAttempt(Stopwatch.GetTimestamp(), error).HandOver();
    }

    [Fact]
    public async Task Unanswered_attempt_ends_early_if_the_call_can_be_retried()
    {
        _network.NeverAnswers().NeverAnswers();
        var user = await UserAsync(options => options.AttemptTimeout = TimeSpan.FromMilliseconds(200));
        await user.UpdateAsync(new(), new() { RequestId = "a" });
        Assert.Equal(["Update a", "Update a", "Update a"], CountingUser.CallsOf(_id));
    }

    [Fact]
    public async Task Limit_of_an_attempt_that_ended_does_not_end_a_later_one()
    {
        var user = await UserAsync(options => options.AttemptTimeout = TimeSpan.FromSeconds(6));

        // Answered at once; its limit, used again, would have ended the slow call after 3 s. So would its caller, who cancels late.
        using var former = new CancellationTokenSource();
        await user.GetAsync(former.Token);
        await Task.Delay(TimeSpan.FromSeconds(3));
        _network.Delays(TimeSpan.FromSeconds(4));
        var slow = user.GetAsync();
        await former.CancelAsync();
        await slow;
        Assert.Equal(["Get", "Get"], CountingUser.CallsOf(_id));
    }

    [Fact]
    public async Task Call_fails_at_its_timeout_or_when_the_caller_cancels()
    {
        foreach (var _ in Enumerable.Range(0, 50)) _network.NeverAnswers();
        var user = await UserAsync(options =>
        {
            options.AttemptTimeout = TimeSpan.FromMilliseconds(150);
            options.ResponseTimeout = TimeSpan.FromSeconds(1);
            options.MaxAttempts = 100;
        });
        await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.GetAsync());
        Assert.InRange(CountingUser.CallsOf(_id).Count, 2, 10);

        using var caller = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => user.GetAsync(caller.Token));
        Assert.True(caller.IsCancellationRequested, error.ToString());
    }

    [Fact]
    public async Task Attempts_are_limited_and_the_last_error_is_thrown()
    {
        foreach (var number in Enumerable.Range(1, 9)) _network.Refuses(Error(typeof(OrleansMessageRejectionException), $"{number}"));
        var user = await UserAsync(options => options.MaxAttempts = 3);
        var unreachable = await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.UpdateAsync(new()));
        Assert.Equal("3", Assert.IsType<OrleansMessageRejectionException>(unreachable.InnerException).Message);
        Assert.False(unreachable.MayHaveTakenEffect);
        Assert.Empty(CountingUser.CallsOf(_id));
    }

    [Fact]
    public async Task Call_with_a_lost_response_may_have_taken_effect_although_the_last_attempt_was_rejected()
    {
        _network.LosesTheAnswer(new TimeoutException());
        foreach (var _ in Enumerable.Range(0, 9)) _network.Refuses(Error(typeof(OrleansMessageRejectionException), "stopping"));
        var user = await UserAsync(options => options.MaxAttempts = 3);
        var unreachable = await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.UpdateAsync(new(), new() { RequestId = "a" }));
        Assert.True(unreachable.MayHaveTakenEffect);
        Assert.IsType<OrleansMessageRejectionException>(unreachable.InnerException);
    }

    [Fact]
    public async Task Call_to_a_dead_silo_is_retried_until_that_silo_is_gone()
    {
        foreach (var _ in Enumerable.Range(0, 5)) _network.Refuses(new SiloEvictedException("dead"));
        var user = await UserAsync(options => options.MaxAttempts = 2);
        await user.UpdateAsync(new());
        Assert.Equal(["Update "], CountingUser.CallsOf(_id));
    }

    [Fact]
    public async Task Errors_of_the_grains_are_not_retried()
    {
        var user = await UserAsync();
        await Assert.ThrowsAsync<VersionConflictException>(() => user.UpdateAsync(new() { Email = "taken" }, new() { RequestId = "a" }));
        Assert.Empty(CountingUser.CallsOf(_id));

        _network.Refuses(new OverloadedException("full", TimeSpan.FromSeconds(1)));
        await Assert.ThrowsAsync<OverloadedException>(() => user.UpdateAsync(new(), new() { RequestId = "a" }));
        Assert.Empty(CountingUser.CallsOf(_id));
    }

    [Fact]
    public async Task Assigned_request_ids_are_reused_in_retries_and_given_ids_are_kept()
    {
        _network.LosesTheAnswer(new SiloUnavailableException());
        var user = await UserAsync(options => options.AssignRequestIds = true);
        await user.UpdateAsync(new());
        await user.DeleteAsync(new() { RequestId = "mine" });
        await user.DeleteAsync();
        var calls = CountingUser.CallsOf(_id);
        Assert.Equal(4, calls.Count);
        Assert.Matches("^Update [0-9a-f]{32}$", calls[0]);
        Assert.Equal(calls[0], calls[1]);
        Assert.Equal("Delete mine", calls[2]);
        Assert.Matches("^Delete [0-9a-f]{32}$", calls[3]);
    }

    [Fact]
    public async Task Call_started_before_a_silo_died_is_abandoned()
    {
        _deaths = [new() { Silo = "127.0.0.1:1@1", Ago = TimeSpan.Zero }];
        _network.NeverAnswers().NeverAnswers().NeverAnswers();
        var user = await UserAsync();
        var read = user.GetAsync();
        var error = await Assert.ThrowsAsync<ClusterUnreachableException>(() => user.UpdateAsync(new()).WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.True(error.MayHaveTakenEffect);
        Assert.Contains("A silo was declared dead", error.Message, StringComparison.Ordinal);

        // The call can be retried, and the third attempt gets a response. Each attempt passes the filters behind this one.
        await read.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(3, CountingUser.CallsOf(_id).Count(call => call == "Get"));
    }

    [Fact]
    public async Task Call_started_after_the_last_death_is_awaited()
    {
        _deaths = [new() { Silo = "127.0.0.1:1@1", Ago = TimeSpan.FromMinutes(1) }];
        _network.NeverAnswers();
        var user = await UserAsync();
        var write = user.UpdateAsync(new());
        await Task.Delay(TimeSpan.FromSeconds(8));
        Assert.False(write.IsCompleted);
    }

    // Orleans creates some of these errors through constructors that are not public.
    private static Exception Error(Type type, string message = "test") => (Exception)Activator.CreateInstance(
        type, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, binder: null, [message], CultureInfo.InvariantCulture)!;

    private async Task<IUserGrain> UserAsync(Action<ActorsClientOptions>? configure = null)
    {
        _configure = configure ?? _configure;
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureClient(client =>
        {
            client.Services.Configure<ActorsClientOptions>(options => options.FirstPause = TimeSpan.FromMilliseconds(5));
            client.Services.Configure(_configure);
            client.Services.AddSingleton(new LostCalls(_ => Task.FromResult(_deaths), TimeProvider.System));
            client.AddOutgoingGrainCallFilter<RetryFilter>();
            client.AddOutgoingGrainCallFilter(_network);
        });
        _cluster = builder.Build();
        await _cluster.DeployAsync();
        return _cluster.Client.GetGrain<IUserGrain>(_id);
    }
}
