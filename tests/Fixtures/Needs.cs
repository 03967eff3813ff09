using Xunit.v3;

namespace Actors.Fixtures;

/// <summary>
/// Declares the needs of a test beyond .NET as the trait "Needs", on a test, a class or a whole project.
/// <c>./test.sh --quick</c> omits these tests.
/// </summary>
/// <param name="what">The value of the trait.</param>
[AttributeUsage(AttributeTargets.Assembly | AttributeTargets.Class | AttributeTargets.Method)]
public abstract class NeedsAttribute(string what) : Attribute, ITraitAttribute
{
    /// <summary>The name of the trait.</summary>
    public const string Trait = "Needs";

    /// <inheritdoc/>
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new(Trait, what)];
}

/// <summary>Needs redis-server or PostgreSQL, which the test starts.</summary>
public sealed class NeedsServersAttribute() : NeedsAttribute("Servers");

/// <summary>Starts silos and other programs as processes, and kills, stops or freezes some of them.</summary>
public sealed class NeedsFaultsAttribute() : NeedsAttribute("Faults");

/// <summary>Needs a browser.</summary>
public sealed class NeedsBrowserAttribute() : NeedsAttribute("Browser");
