using Actors.RateLimiting;

namespace Actors.Grains.Tests.Contract;

/// <summary>Orleans' storage writes the name of a state's type beside the state, and finds no state under another name.</summary>
public sealed class StoredTypesTests
{
    [Fact]
    public void Own_policies_keep_the_name_under_which_they_are_stored()
    {
        var type = typeof(OwnPoliciesState);
        Assert.Equal("Actors.RateLimiting.OwnPoliciesState, Actors.Grains", $"{type.FullName}, {type.Assembly.GetName().Name}");
    }
}
