using System.Net;
using Actors.Membership;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Votes against silos that answer are dropped for a while after an outage, and at no other time.</summary>
public sealed class StaleSuspicionFilterTests
{
    private static readonly TimeSpan StaleFor = TimeSpan.FromMinutes(3);
    private static readonly SiloAddress Well = SiloAddress.New(IPAddress.Loopback, 1000, 1);
    private static readonly SiloAddress Gone = SiloAddress.New(IPAddress.Loopback, 1001, 1);

    private readonly FakeTimeProvider _clock = new();
    private readonly Lines _log = new();
    private readonly StaleSuspicionFilter _votes;
    private int _asked;

    public StaleSuspicionFilterTests() => _votes = new StaleSuspicionFilter(Answers, _clock, _log);

    [Fact]
    public async Task Vote_counts_when_there_was_no_outage()
    {
        Assert.False(await _votes.IsRefutedAsync(Well));
        Assert.Equal((0, 0), (_asked, _log.Count));
    }

    [Fact]
    public async Task Vote_against_a_silo_that_answers_is_dropped_after_an_outage()
    {
        _votes.MayBeStale();
        Assert.True(await _votes.IsRefutedAsync(Well));
        Assert.Equal(1, _log.Count);
    }

    [Fact]
    public async Task Vote_against_a_silo_that_does_not_answer_counts_after_an_outage()
    {
        _votes.MayBeStale();
        Assert.False(await _votes.IsRefutedAsync(Gone));
        Assert.Equal((1, 0), (_asked, _log.Count));
    }

    [Fact]
    public async Task Votes_count_again_once_none_can_be_stale()
    {
        _votes.MayBeStale();
        _clock.Advance(StaleFor);
        Assert.True(await _votes.IsRefutedAsync(Well));
        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.False(await _votes.IsRefutedAsync(Well));
        Assert.Equal(1, _asked);
    }

    [Fact]
    public async Task Time_counts_from_the_last_failure()
    {
        _votes.MayBeStale();
        _clock.Advance(StaleFor - TimeSpan.FromSeconds(1));
        _votes.MayBeStale();
        _clock.Advance(StaleFor);
        Assert.True(await _votes.IsRefutedAsync(Well));
    }

    [Fact]
    public async Task Dropped_votes_are_logged_every_ten_seconds_at_most()
    {
        _votes.MayBeStale();
        for (var i = 0; i < 100; i++) Assert.True(await _votes.IsRefutedAsync(Well));
        _clock.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        await _votes.IsRefutedAsync(Well);
        Assert.Equal(1, _log.Count);
        _clock.Advance(TimeSpan.FromTicks(1));
        await _votes.IsRefutedAsync(Well);
        Assert.Equal(2, _log.Count);
    }

    private Task<bool> Answers(SiloAddress silo)
    {
        _asked++;
        return Task.FromResult(silo.Equals(Well));
    }

    private sealed class Lines : ILogger<StaleSuspicionFilter>
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Count++;
    }
}
