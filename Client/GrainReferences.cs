using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.CodeGeneration;
using Orleans.Serialization.Cloning;
using Orleans.Serialization.Serializers;

namespace Actors;

/// <summary>
/// Makes references to the grains of one interface. Orleans looks up the interface by reflection for each reference; here it does so
/// only for the first one.
/// </summary>
/// <param name="cluster">Makes the references.</param>
/// <param name="type">The type of the grains, used until the client is connected and Orleans knows it.</param>
/// <param name="runtime">Makes the calls of the references; null for Orleans' own.</param>
/// <param name="services">The services of the client, if there is a runtime.</param>
internal sealed class GrainReferences<T>(IGrainFactory cluster, string type, IGrainReferenceRuntime? runtime, IServiceProvider? services)
    where T : IGrainWithStringKey
{
    // Makes further references like the first one. Any thread may set it: all threads get the same.
    private volatile Func<string, T>? _make;

    /// <summary>Returns the grain with this key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="isConnected">Whether Orleans maps interfaces to grain types already.</param>
    public T Get(string key, bool isConnected)
    {
        if (_make is { } make) return make(key);
        if (!isConnected) return cluster.GetGrain<T>(GrainId.Create(type, key));

        var grain = cluster.GetGrain<T>(key);
        if (grain is not GrainReference first) return grain;
        _make = runtime is null
            ? next => (T)cluster.GetGrain(GrainId.Create(first.GrainId.Type, next), first.InterfaceType)
            : Proxies(first, runtime, services!);
        return _make(key);
    }

    private static Func<string, T> Proxies(GrainReference first, IGrainReferenceRuntime runtime, IServiceProvider services)
    {
        var shared = new GrainReferenceShared(
            first.GrainId.Type, first.InterfaceType, first.InterfaceVersion, runtime, InvokeMethodOptions.None,
            services.GetRequiredService<CodecProvider>(), services.GetRequiredService<CopyContextPool>(), services);
        var proxy = ConstructorInvoker.Create(first.GetType().GetConstructor([typeof(GrainReferenceShared), typeof(IdSpan)])!);
        return key => (T)proxy.Invoke(shared, IdSpan.Create(key));
    }
}
