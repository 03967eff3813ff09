using System.Net;
using Actors.Silo.Configuration;
using Actors.Silo.Storage;

namespace Actors.Silo;

/// <summary>What a person reads once the silo is up: what runs where, and what to try next.</summary>
internal static class Announcement
{
    public static void Write(TextWriter output, SiloSettings options, SiloEndpoints endpoints, string url, SiloStorage storage)
    {
        output.WriteLine($"""

              Actors silo is ready: cluster "{options.ClusterId}"

                silo      {new IPEndPoint(endpoints.Address, endpoints.SiloPort)}, clients at {new IPEndPoint(endpoints.Address, endpoints.GatewayPort)}
                journal   {storage.RedisDescription}
                database  {storage.Rows.Description}
                health    {url}/health/ready
                metrics   {url}/metrics

              Try, in another terminal:

                ./actors user set ada --name "Ada" --attr plan=pro --incr logins=1
                ./actors user get ada
                ./actors cluster status
            {(storage.IsEmbedded ? "    dotnet run --project Silo                 (a second silo, which joins this one)\n" : "")}
              Ctrl-C stops the silo and flushes what is not in the database yet.

            """);
    }
}
