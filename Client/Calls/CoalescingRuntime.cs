using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.CodeGeneration;
using Orleans.Serialization.Invocation;

namespace Actors.Calls;

/// <summary>
/// Makes the calls of the references that <see cref="ActorsClient"/> returns. Short calls to users and limiters travel together; all
/// others are left to Orleans.
/// </summary>
/// <param name="orleans">Makes all other calls.</param>
/// <param name="route">Finds the silo.</param>
/// <param name="clientOptions">When calls travel together, and whether writes get request ids.</param>
internal sealed class CoalescingRuntime(IGrainReferenceRuntime orleans, CallRoute route, ActorsClientOptions clientOptions) : IGrainReferenceRuntime
{
    // RequestContext.Entries returns this object while the context is empty.
    private static readonly IEnumerable<KeyValuePair<string, object>> NoEntries = Enumerable.Empty<KeyValuePair<string, object>>();

    private readonly CallsInFlight _inFlight = new();

    /// <summary>The number of short calls that await their results, and of cancelled ones that are not answered yet.</summary>
    public int InFlight => _inFlight.Count;

    /// <summary>
    /// Null if calls must not travel together: it is switched off, the app has filters of its own, which calls would not pass, or this
    /// version of Orleans does not tell which gateways it uses.
    /// </summary>
    public static CoalescingRuntime? Create(IServiceProvider services)
    {
        var options = services.GetRequiredService<IOptions<ActorsClientOptions>>().Value;
        var isFiltered = services.GetServices<IOutgoingGrainCallFilter>().Any(filter =>
            filter is not (ConnectionGate or RetryFilter) && filter.GetType().Name != "ActivityPropagationOutgoingGrainCallFilter");
        if (!options.CoalesceCalls || isFiltered || LiveGateways.Of(services) is not { } isLive) return null;
        var (connection, gateways) = (services.GetRequiredService<ClusterConnection>(), services.GetRequiredService<GatewayFinder>());
        var route = new CallRoute(
            () => connection.IsOpen ? gateways.Silos : [], isLive, services.GetRequiredService<IClusterClient>(),
            services.GetRequiredService<LostCalls>(), options);
        return new(services.GetRequiredService<IGrainReferenceRuntime>(), route, options);
    }

    public ValueTask<T?> InvokeMethodAsync<T>(GrainReference reference, IInvokable request, InvokeMethodOptions options)
    {
        if (!MayTravelTogether(request)) return orleans.InvokeMethodAsync<T>(reference, request, options);
        var cancellation = request.GetCancellationToken();
        if (cancellation.IsCancellationRequested) return ValueTask.FromCanceled<T?>(cancellation);
        if (_inFlight.Enter() <= (long)clientOptions.CoalesceAbove * route.Silos || route.Find(reference.GrainId) is not { } messages)
            return AloneAsync<T>(reference, request, options);

        if (clientOptions.AssignRequestIds) RetryClassifier.AssignRequestId(request);
        var call = new CoalescedCall<T>(orleans, reference, request, options, _inFlight);
        if (cancellation.CanBeCanceled) call.EndWith(cancellation);
        if (messages.TryAdd(call)) return new(call.Result);
        call.Forget();
        return AloneAsync<T>(reference, request, options);
    }

    public ValueTask InvokeMethodAsync(GrainReference reference, IInvokable request, InvokeMethodOptions options) =>
        orleans.InvokeMethodAsync(reference, request, options);

    public void InvokeMethod(GrainReference reference, IInvokable request, InvokeMethodOptions options) =>
        orleans.InvokeMethod(reference, request, options);

    public object Cast(IAddressable grain, Type interfaceType) => orleans.Cast(grain, interfaceType);

    private async ValueTask<T?> AloneAsync<T>(GrainReference reference, IInvokable request, InvokeMethodOptions options)
    {
        try
        {
            return await orleans.InvokeMethodAsync<T>(reference, request, options).ConfigureAwait(false);
        }
        finally
        {
            _inFlight.Leave();
        }
    }

    // A call that is recorded by tracing, or carries something for the silo, needs the headers of a message of its own.
    private static bool MayTravelTogether(IInvokable request) =>
        RetryClassifier.IsCoalescable(request) && Activity.Current is not { Recorded: true } && ReferenceEquals(RequestContext.Entries, NoEntries);
}
