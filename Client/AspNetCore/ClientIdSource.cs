using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>Where client ids come from.</summary>
/// <param name="Find">The id of a request, if it has one by this source.</param>
/// <param name="IsTrusted">False if the caller chooses the id, and nobody has checked that it is its own.</param>
internal sealed record ClientIdSource(Func<HttpContext, FoundClientId> Find, bool IsTrusted);

/// <summary>What a source found.</summary>
/// <param name="Id">The id; null if there is none.</param>
/// <param name="IsRejected">True if the caller sent something that is no id.</param>
internal readonly record struct FoundClientId(string? Id, bool IsRejected = false)
{
    public static FoundClientId None => default;

    public static FoundClientId Rejected => new(null, IsRejected: true);
}
