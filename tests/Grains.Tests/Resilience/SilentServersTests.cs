using System.Net;
using Actors.Resilience;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A server is silent if it does not answer while this process has its turns.</summary>
public sealed class SilentServersTests
{
    private static readonly EndPoint Server = new DnsEndPoint("one", 6379);
    private static readonly EndPoint Other = new DnsEndPoint("two", 6379);

    private readonly SilentServers _servers = new();

    [Fact]
    public void It_is_after_two_looks_in_a_row()
    {
        Assert.Empty(_servers.Look([Server], isLate: false));
        Assert.Empty(_servers.Look([Other], isLate: false));
        Assert.Empty(_servers.Look([Server], isLate: false));
        Assert.Equal([Server], _servers.Look([Server, Other], isLate: false));
    }

    [Fact]
    public void Looks_that_were_late_put_it_off_and_not_away()
    {
        for (var i = 0; i < 7; i++) Assert.Empty(_servers.Look([Server], isLate: true));
        Assert.Equal([Server], _servers.Look([Server], isLate: true));
    }
}
