using System.Reflection;
using Actors.Fixtures;

namespace Actors.Grains.Tests;

/// <summary>Tests say what they need, so that those that need no server can be run alone.</summary>
public sealed class NeedsTests
{
    [Fact]
    public void Class_that_is_given_a_server_says_that_it_needs_one()
    {
        var given = typeof(NeedsTests).Assembly.GetExportedTypes()
            .Where(type => type.Name.EndsWith("Tests", StringComparison.Ordinal))
            .Where(type => type.GetConstructors().SelectMany(constructor => constructor.GetParameters())
                .Any(parameter => parameter.ParameterType == typeof(RedisFixture) || parameter.ParameterType == typeof(PostgresFixture)))
            .ToList();
        Assert.NotEmpty(given);
        Assert.DoesNotContain(given, type => type.GetCustomAttribute<NeedsServersAttribute>() is null);
    }
}
