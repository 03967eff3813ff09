using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Actors.Fixtures;
using Npgsql;

namespace Actors.Fault.Tests.WrongStarts;

/// <summary>The servers for failing starts: shared, with a user, role or database for each case.</summary>
public sealed class WrongStartServers : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new("wrong-starts");
    private readonly List<PostgresServer> _postgres = [];
    private readonly TcpListener _web = new(IPAddress.Loopback, 0);
    private RedisServer _redis = null!;
    private RedisServer _tls = null!;
    private int _tlsPort;

    /// <summary>A Redis with users that lack rights; the password of each is "right".</summary>
    internal string Redis => _redis.ConnectionString;

    /// <summary>A Redis with an eviction policy.</summary>
    internal string EvictingRedis => _tls.ConnectionString;

    /// <summary>The TLS port of a Redis whose certificate is for "localhost".</summary>
    internal int TlsPort => _tlsPort;

    /// <summary>The certificate of its issuer.</summary>
    internal string Issuer => _directory.File("ca.crt");

    /// <summary>The port of an HTTP server, which is therefore in use.</summary>
    internal int WebPort => ((IPEndPoint)_web.LocalEndpoint).Port;

    internal string Database { get; private set; } = "";

    /// <summary>A database with a role that may not create anything; its password is "weak7".</summary>
    internal string WeakRole { get; private set; } = "";

    /// <summary>A database with a foreign table that has the name of ours.</summary>
    internal string ForeignTable { get; private set; } = "";

    /// <summary>A database with a view that has the name of ours.</summary>
    internal string View { get; private set; } = "";

    internal string Latin1 { get; private set; } = "";

    internal string Standby { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        _web.Start();
        _ = AnswerAsync();
        WriteCertificates();
        _tlsPort = FreePorts.Next();
        _redis = await RedisServer.StartNewAsync();
        _tls = await RedisServer.StartNewAsync(
            appendOnly: true, "--maxmemory-policy", "allkeys-lru", "--tls-port", $"{_tlsPort}", "--tls-cert-file", _directory.File("redis.crt"),
            "--tls-key-file", _directory.File("redis.key"), "--tls-ca-cert-file", Issuer, "--tls-auth-clients", "no");
        string[] users =
        [
            "noscripts ~* +@all -eval -evalsha", "notime ~* +@all -time", "nosets ~* +@all -zadd", "narrow ~actors:* +@all", "foreign ~others:* +@all",
            "reader %R~* +@all",
        ];
        foreach (var user in users)
        {
            var name = user.Split(' ')[0];
            await RedisCommands.SendAsync(_redis.Port, $"ACL SETUSER {name} on >right &*{user[name.Length..]}");
        }

        var postgres = await PostgresServer.StartNewAsync();
        _postgres.Add(postgres);
        Database = await postgres.CreateDatabaseAsync();
        Latin1 = await postgres.CreateDatabaseAsync("LATIN1");
        WeakRole = new NpgsqlConnectionStringBuilder(Database) { Username = "weak", Password = "weak7" }.ConnectionString;
        await RunAsync(Database, "CREATE ROLE weak LOGIN PASSWORD 'weak7'");
        ForeignTable = await postgres.CreateDatabaseAsync();
        await RunAsync(ForeignTable,
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER away FOREIGN DATA WRAPPER nothing; CREATE FOREIGN TABLE users (id text) SERVER away");
        View = await postgres.CreateDatabaseAsync();
        await RunAsync(View, "CREATE VIEW users AS SELECT 'ada' AS id");
        var standby = await postgres.StartStandbyAsync();
        _postgres.Add(standby);
        Standby = new NpgsqlConnectionStringBuilder(Database) { Port = standby.Port }.ConnectionString;
    }

    public async ValueTask DisposeAsync()
    {
        _web.Stop();
        await _redis.DisposeAsync();
        await _tls.DisposeAsync();
        foreach (var server in Enumerable.Reverse(_postgres)) await server.DisposeAsync();
        FreePorts.Release(_tlsPort);
        _directory.Dispose();
    }

    private static async Task RunAsync(string database, string sql)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private async Task AnswerAsync()
    {
        while (true)
        {
            try
            {
                using var client = await _web.AcceptTcpClientAsync();
                var question = new byte[1024];
                if (await client.GetStream().ReadAsync(question) > 0)
                    await client.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"u8.ToArray());
            }
            catch (IOException)
            {
                // The peer closed the connection.
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void WriteCertificates()
    {
        using var issuerKey = RSA.Create(2048);
        var issuerRequest = new CertificateRequest("CN=Test issuer", issuerKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        issuerRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using var issuer = issuerRequest.CreateSelfSigned(from, to);

        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(issuer, from, to, [1, 2, 3, 4]);
        File.WriteAllText(Issuer, issuer.ExportCertificatePem());
        File.WriteAllText(_directory.File("redis.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(_directory.File("redis.key"), key.ExportPkcs8PrivateKeyPem());
    }
}
