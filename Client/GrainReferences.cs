namespace Actors;

/// <summary>
/// Makes references to the grains of one interface. Orleans looks up the interface by reflection for each reference; here it does so
/// only for the first one.
/// </summary>
/// <param name="cluster">Makes the references.</param>
/// <param name="type">The type of the grains, used until the client is connected and Orleans knows it.</param>
internal sealed class GrainReferences<T>(IGrainFactory cluster, string type)
    where T : IGrainWithStringKey
{
    // The first reference, which carries the grain type and the interface that Orleans looked up. Any thread may set it: all threads
    // get the same two.
    private volatile GrainReference? _first;

    /// <summary>Returns the grain with this key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="isConnected">Whether Orleans maps interfaces to grain types already.</param>
    public T Get(string key, bool isConnected)
    {
        if (_first is { } first) return (T)cluster.GetGrain(GrainId.Create(first.GrainId.Type, key), first.InterfaceType);
        if (!isConnected) return cluster.GetGrain<T>(GrainId.Create(type, key));

        var grain = cluster.GetGrain<T>(key);
        _first = grain as GrainReference;
        return grain;
    }
}
