using System.Globalization;

namespace Actors.Bench.App;

/// <summary>
/// The settings that the processes of a case share. The app finds cluster and servers in its environment, as a customer's app does.
/// </summary>
/// <param name="Redis">The connection string of Redis.</param>
/// <param name="Name">The cluster, the service, and the prefix of all keys.</param>
/// <param name="Database">The database of the peers; the silo has its own.</param>
/// <param name="FloorPort">The gateway of the floor's silo.</param>
internal sealed record AppSettings(string Redis, string Name, string Database, int FloorPort)
{
    private const string RedisVariable = "ConnectionStrings__redis";
    private const string NameVariable = "Actors__Client__ClusterId";
    private const string ServiceVariable = "Actors__Client__ServiceId";
    private const string RememberVariable = "Actors__Client__RememberGateways";
    private const string DatabaseVariable = "ConnectionStrings__peer";
    private const string FloorVariable = "Bench__FloorPort";

    public static AppSettings FromEnvironment() => new(
        Read(RedisVariable), Read(NameVariable), Read(DatabaseVariable), int.Parse(Read(FloorVariable), CultureInfo.InvariantCulture));

    public Dictionary<string, string> ToEnvironment() => new()
    {
        [RedisVariable] = Redis,
        [NameVariable] = Name,
        [ServiceVariable] = Name,
        [RememberVariable] = "false",
        [DatabaseVariable] = Database,
        [FloorVariable] = FloorPort.ToString(CultureInfo.InvariantCulture),
    };

    private static string Read(string variable) => Environment.GetEnvironmentVariable(variable)
        ?? throw new InvalidOperationException($"{variable} is not set; this process is started by a case of the measurements.");
}
