using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>A source of client ids.</summary>
/// <param name="Find">Returns the id of a request, if the source finds one.</param>
/// <param name="IsTrusted">False if the caller chooses the id and nothing verifies that it is its own.</param>
internal sealed record ClientIdSource(Func<HttpContext, FoundClientId> Find, bool IsTrusted);

/// <summary>The result of a source.</summary>
/// <param name="Id">The id; null if there is none.</param>
/// <param name="IsRejected">True if the caller sent an invalid id.</param>
internal readonly record struct FoundClientId(string? Id, bool IsRejected = false)
{
    public static FoundClientId None => default;

    public static FoundClientId Rejected => new(null, IsRejected: true);
}
