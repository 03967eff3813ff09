namespace Actors.Bench.Peers;

/// <summary>A user that saves every change before it acknowledges it.</summary>
[Alias("Actors.Bench.IStoredUserGrain")]
internal interface IStoredUserGrain : IGrainWithStringKey
{
    /// <summary>Applies the patch, saves the user and returns its version.</summary>
    [Alias("Update")]
    Task<long> UpdateAsync(UserPatch patch);
}

/// <summary>The grain, written as Orleans' documentation suggests.</summary>
internal sealed class StoredUserGrain([PersistentState("user", BenchSilo.Storage)] IPersistentState<StoredUser> user)
    : Grain, IStoredUserGrain
{
    public async Task<long> UpdateAsync(UserPatch patch)
    {
        user.State.Apply(patch);
        await user.WriteStateAsync();
        return user.State.Version;
    }
}

/// <summary>The saved state, with the same fields as ours.</summary>
[GenerateSerializer, Alias("Actors.Bench.StoredUser")]
internal sealed class StoredUser
{
    [Id(0)] public long Version { get; set; }

    [Id(1)] public string? DisplayName { get; set; }

    [Id(2)] public string? Email { get; set; }

    [Id(3)] public Dictionary<string, string> Attributes { get; set; } = [];

    [Id(4)] public Dictionary<string, long> Counters { get; set; } = [];

    [Id(5)] public HashSet<string> Tags { get; set; } = [];

    [Id(6)] public long CreatedAt { get; set; }

    [Id(7)] public long UpdatedAt { get; set; }

    public void Apply(UserPatch patch)
    {
        Version++;
        UpdatedAt = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        if (CreatedAt == 0) CreatedAt = UpdatedAt;
        DisplayName = patch.DisplayName ?? DisplayName;
        Email = patch.Email ?? Email;
        foreach (var (name, value) in patch.Attributes ?? [])
        {
            if (value is null) Attributes.Remove(name);
            else Attributes[name] = value;
        }

        foreach (var (name, amount) in patch.Increment ?? []) Counters[name] = Counters.GetValueOrDefault(name) + amount;
        Tags.UnionWith(patch.AddTags ?? []);
        Tags.ExceptWith(patch.RemoveTags ?? []);
    }
}
