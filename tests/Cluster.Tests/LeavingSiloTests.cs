using System.Diagnostics.Metrics;
using Actors.Fixtures;
using Actors.Users;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;

namespace Actors.Cluster.Tests;

/// <summary>Calls to the users of a silo that stops.</summary>
public sealed class LeavingSiloTests(ServersFixture servers) : IClassFixture<ServersFixture>
{
    [Fact]
    public async Task Silo_that_released_its_users_receives_no_more_calls_for_them()
    {
        await using var cluster = await TestCluster.StartAsync(
            servers, silos: 3, services: services => services.Configure<SiloMessagingOptions>(
                messaging => messaging.WaitForMessageToBeQueuedForOutboundTime = TimeSpan.FromSeconds(5)));
        var users = Enumerable.Range(0, 200).Select(number => cluster.User($"left-{number}")).ToList();
        await Task.WhenAll(users.Select(user => user.UpdateAsync(new() { DisplayName = "there" })));
        var leaving = cluster.Silos.Silos[1];
        var active = cluster.Silos.GetSiloServiceProvider(leaving.SiloAddress).GetRequiredService<ActiveUsers>();
        Assert.InRange(active.Count, 20, 180);

        var stop = cluster.Silos.StopSiloAsync(leaving);
        await Eventually.IsTrueAsync(() => Task.FromResult(active.Count == 0));
        var forwarded = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, to) =>
        {
            if (instrument.Name == "orleans-messaging-processing-dispatcher-forwarded") to.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => forwarded += value);
        listener.Start();
        await Task.WhenAll(users.Select(user => user.GetAsync()));
        Assert.False(stop.IsCompleted);

        listener.RecordObservableInstruments();
        Assert.Equal(0, forwarded);
        await stop;
    }
}
