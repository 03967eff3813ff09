using System.Net;
using Actors.Silo.Configuration;
using Actors.Silo.Storage;

namespace Actors.Silo;

/// <summary>The message once the silo is ready: what runs where, and what to try next. In a JSON log it is one event.</summary>
internal sealed partial class Announcement(
    SiloSettings settings, SiloEndpoints endpoints, IReadOnlyList<string> urls, SiloStorage storage, ILogger<Announcement> logger)
{
    private IPEndPoint Silo => new(endpoints.Address, endpoints.SiloPort);

    private IPEndPoint Gateway => new(endpoints.Address, endpoints.GatewayPort);

    /// <summary>Writes the message.</summary>
    /// <param name="output">The output for a human reader; null to use only the log.</param>
    public void Write(TextWriter? output)
    {
        if (output is null)
        {
            LogReady(logger, settings.ClusterId, Silo, Gateway, storage.RedisDescription, storage.Rows.Description, urls[0]);
            if (Open() is { Length: > 0 } open) LogOpen(logger, open);
            return;
        }

        var warning = Open() is { Length: > 0 } ports
            ? $"\n  warning: {ports} can be reached from other machines and ask for no credentials;\n"
                + "  allow only silos and client apps (firewall, network policy), or listen on 127.0.0.1.\n"
            : "";
        output.WriteLine($"""

              Actors silo is ready: cluster "{PrintableText.Of(settings.ClusterId)}"

                silo      {Silo}, clients at {Gateway}
                journal   {PrintableText.Of(storage.RedisDescription)}
                database  {PrintableText.Of(storage.Rows.Description)}
                health    {urls[0]}/health/ready
                metrics   {urls[0]}/metrics
            {warning}
              Try, in another terminal:

                ./actors user set ada --name "Ada" --attr plan=pro --incr logins=1
                ./actors user get ada
                ./actors cluster status
            {(storage.IsEmbedded ? "    dotnet run --project Silo                 (a second silo, which joins this one)\n" : "")}
              Ctrl-C stops the silo and flushes what is not in the database yet.

            """);
    }

    /// <summary>The endpoints that listen beyond loopback.</summary>
    private string Open()
    {
        var open = urls.Where(url => !IsLoopback(url));
        if (!IPAddress.IsLoopback(endpoints.Address)) open = open.Prepend($"clients at {Gateway}").Prepend($"silo at {Silo}");
        return string.Join(", ", open);
    }

    private static bool IsLoopback(string url)
    {
        var address = BindingAddress.Parse(url);
        return address.IsUnixPipe || address.Host is "localhost" || (IPAddress.TryParse(address.Host, out var ip) && IPAddress.IsLoopback(ip));
    }

    [LoggerMessage(EventId = 3000, Level = LogLevel.Information, Message =
        "Actors silo is ready: cluster {ClusterId}, silo {Silo}, clients at {Gateway}, journal {Journal}, database {Database}, HTTP at {Url}")]
    private static partial void LogReady(
        ILogger logger, string clusterId, IPEndPoint silo, IPEndPoint gateway, string journal, string database, string url);

    [LoggerMessage(EventId = 3001, Level = LogLevel.Warning, Message =
        "{Open} can be reached from other machines and ask for no credentials; allow only silos and client apps, or listen on 127.0.0.1")]
    private static partial void LogOpen(ILogger logger, string open);
}
