using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Client.Tests;

public sealed class OrleansLogTests
{
    [Theory]
    [InlineData(null, null, LogLevel.Warning)]
    [InlineData("Logging:LogLevel:Default", "Information", LogLevel.Warning)]
    [InlineData("Logging:LogLevel:Orleans", "Information", LogLevel.Information)]
    [InlineData("Logging:LogLevel:Orleans", "Error", LogLevel.Error)]
    [InlineData("Logging:LogLevel:Orleans.Runtime", "Debug", LogLevel.Debug)]
    public void Orleans_logs_warnings_unless_the_app_sets_a_level_for_it(string? key, string? value, LogLevel expected)
    {
        foreach (var isFirst in (bool[])[true, false])
        {
            var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
            if (isFirst) builder.AddActorsClient(options => options.Redis = "localhost:1");
            if (key is not null) builder.Configuration.AddInMemoryCollection([new(key, value)]);
            builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging")).AddProvider(new Listener());
            if (!isFirst) builder.AddActorsClient(options => options.Redis = "localhost:1");
            using var host = builder.Build();
            var log = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Orleans.Runtime.OutsideRuntimeClient");
            Assert.True(log.IsEnabled(expected));
            Assert.False(log.IsEnabled(expected - 1));
            Assert.True(host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("App").IsEnabled(LogLevel.Information));
        }
    }

    private sealed class Listener : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
        }

        public void Dispose()
        {
        }
    }
}
