using System.Diagnostics.Metrics;
using Actors.Core;
using Actors.Users;

namespace Actors.Hosting;

/// <summary>The instruments of the users in memory.</summary>
internal static class UserInstruments
{
    public static void AddTo(Meter meter, ActiveUsers users)
    {
        meter.CreateObservableGauge(ActorsTelemetry.ActiveUsers, () => users.Count, "{user}", "Users in memory.");
        meter.CreateObservableGauge(ActorsTelemetry.ActiveUserBytes, () => users.Bytes, "By", "Memory used by the users in memory.");
        meter.CreateObservableGauge(ActorsTelemetry.ActiveUserCeiling, () => users.MaxBytes, "By", "The ceiling for the memory of users.");
        meter.CreateObservableCounter(ActorsTelemetry.ShedUsers, () => users.Shed, "{user}", "Users evicted early to make room for others.");
        meter.CreateObservableCounter(
            ActorsTelemetry.RefusedUserCalls, () => users.Refused, "{call}", "Calls for users refused because no memory was left.");
    }

    /// <summary>The users of the silo, for its status.</summary>
    public static ActiveUsersStatus Status(ActiveUsers users) => new()
    {
        Active = users.Count,
        Bytes = users.Bytes,
        MaxBytes = users.MaxBytes,
        Shed = users.Shed,
        Refused = users.Refused,
    };
}
