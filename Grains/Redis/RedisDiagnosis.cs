using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// Explains why a Redis cannot be reached. The driver reports a wrong password, a wrong certificate and a TLS mismatch alike.
/// </summary>
/// <param name="Reason">The reason.</param>
/// <param name="Advice">What to do; null if waiting may help.</param>
internal sealed record RedisDiagnosis(string Reason, string? Advice)
{
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(2);

    /// <summary>Examines the first address over a separate socket.</summary>
    /// <param name="options">The options of the failed connection.</param>
    /// <param name="error">The error of the driver.</param>
    /// <param name="reason">The error in one line, used if no better reason is found.</param>
    /// <param name="limit">The time limit.</param>
    public static async Task<RedisDiagnosis> OfAsync(ConfigurationOptions options, RedisConnectionException error, string reason, TimeSpan limit)
    {
        var endpoint = options.EndPoints[0];
        if (endpoint is UnixDomainSocketEndPoint unix && !File.Exists(unix.ToString()))
            return new($"there is no socket {unix}", "Start that Redis, or correct the path");

        using var time = new CancellationTokenSource(limit);
        try
        {
            return options.Ssl
                ? await OfTlsAsync(options, endpoint, Of(error, reason), time.Token)
                : await OfPlainAsync(options, endpoint, Of(error, reason), time.Token);
        }
        catch (SocketException socket)
        {
            return new(socket.Message, null);
        }
        catch (IOException io)
        {
            return new(io.Message, null);
        }
        catch (OperationCanceledException)
        {
            return new($"no answer within {limit.TotalSeconds:0} s", null);
        }
    }

    private static async Task<RedisDiagnosis> OfTlsAsync(
        ConfigurationOptions options, EndPoint endpoint, RedisDiagnosis otherwise, CancellationToken cancellationToken)
    {
        var (speaksTls, problem) = await SpeaksTlsAsync(options, endpoint, cancellationToken);
        if (problem is not null) return problem;
        if (speaksTls) return otherwise;
        return await AnswerAsync(endpoint, cancellationToken) is { Length: > 0 } plain && IsRedis(plain)
            ? new("it answers without TLS", "Remove ssl=true from the connection string, or connect to its TLS port")
            : new("something listens there, but it does not speak TLS", null);
    }

    private static async Task<RedisDiagnosis> OfPlainAsync(
        ConfigurationOptions options, EndPoint endpoint, RedisDiagnosis otherwise, CancellationToken cancellationToken)
    {
        // The first line of the answer shows what kind of server it is.
        var answer = await AnswerAsync(endpoint, cancellationToken);
        if (answer is null or "")
        {
            return (await SpeaksTlsAsync(options, endpoint, cancellationToken)).Speaks
                ? new("it speaks TLS only", "Add ssl=true to the connection string, or connect to its port without TLS")
                : new("something listens there, but it does not answer as a Redis does", null);
        }

        if (answer.StartsWith("HTTP/", StringComparison.Ordinal))
            return new("an HTTP server answers there", "Correct the port in the connection string");
        if (!IsRedis(answer))
            return new("something listens there, but it does not answer as a Redis does", "Correct the address in the connection string");
        return answer.StartsWith("-DENIED", StringComparison.Ordinal)
            ? new("it is in protected mode", "Give it a password, or set protected-mode no if only silos can reach it")
            : otherwise;
    }

    private static RedisDiagnosis Of(RedisConnectionException error, string reason) =>
        error.FailureType == ConnectionFailureType.AuthenticationFailure
        ? new("it refuses the user name or password", "Correct user= and password= in the connection string")
        : new(reason, null);

    private static bool IsRedis(string answer) => answer[0] is '+' or '-';

    private static async Task<(bool Speaks, RedisDiagnosis? Problem)> SpeaksTlsAsync(
        ConfigurationOptions options, EndPoint endpoint, CancellationToken cancellationToken)
    {
        using var socket = await ConnectAsync(endpoint, cancellationToken);
        var host = options.SslHost is { Length: > 0 } named ? named
            : (endpoint as DnsEndPoint)?.Host ?? (endpoint as IPEndPoint)?.Address.ToString() ?? "";
        var (errors, status, certificate) = (SslPolicyErrors.None, "", (X509Certificate2?)null);
        await using var stream = new SslStream(new NetworkStream(socket), leaveInnerStreamOpen: false);

        // A server without TLS may wait for more input after the handshake.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(HandshakeLimit);
        try
        {
            // The certificate is only examined. Nothing is sent over this connection.
            await stream.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = host,
                    EnabledSslProtocols = options.SslProtocols ?? SslProtocols.None,
#pragma warning disable CA5359 // This connection only reads the server's certificate.
                    RemoteCertificateValidationCallback = (_, shown, chain, found) =>
                    {
                        errors = found;
                        certificate = shown is null ? null : new X509Certificate2(shown);
                        status = string.Join(", ", (chain?.ChainStatus ?? []).Select(each => each.Status));
                        return true;
                    },
#pragma warning restore CA5359
                },
                limit.Token);
        }
        catch (Exception error) when (error is AuthenticationException or IOException
            || (error is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return (false, null);
        }

        using (certificate)
        {
            return (true, errors == SslPolicyErrors.None || certificate is null ? null : Of(errors, status, certificate, host));
        }
    }

    private static RedisDiagnosis? Of(SslPolicyErrors errors, string status, X509Certificate2 certificate, string host)
    {
        var subject = PrintableText.Of(certificate.Subject);
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return new(
                $"its TLS certificate ({subject}) is not for the host {PrintableText.Of(host)}",
                "Connect with a host name from the certificate, or set it: sslHost=...");
        }

        if (status.Contains(nameof(X509ChainStatusFlags.NotTimeValid), StringComparison.Ordinal))
        {
            return new(
                FormattableString.Invariant($"its TLS certificate ({subject}) is valid from {certificate.NotBefore:u} to {certificate.NotAfter:u}"),
                "Renew it, or set the clock of this machine");
        }

        // The driver also trusts the issuer in this file, so the system's verdict is not final.
        return Environment.GetEnvironmentVariable("SERedis_IssuerCertPath") is { Length: > 0 } issuer
            ? new($"its TLS certificate ({subject}, issued by {PrintableText.Of(certificate.Issuer)}) is not trusted by this machine ({status})",
                $"Check that {PrintableText.Of(issuer)} (SERedis_IssuerCertPath) is the certificate of its issuer")
            : new($"its TLS certificate ({subject}, issued by {PrintableText.Of(certificate.Issuer)}) is not trusted by this machine ({status})",
                "Add its issuer to the certificates that this machine trusts, or name the issuer's file in SERedis_IssuerCertPath");
    }

    /// <summary>The start of the answer to a PING without TLS; null if there is none.</summary>
    private static async Task<string?> AnswerAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        using var socket = await ConnectAsync(endpoint, cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(1));
        try
        {
            await socket.SendAsync("PING\r\n"u8.ToArray(), limit.Token);
            var answer = new byte[128];
            return Encoding.ASCII.GetString(answer, 0, await socket.ReceiveAsync(answer, limit.Token));
        }
        catch (Exception error) when (error is SocketException || (error is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private static async Task<Socket> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        var socket = endpoint is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(endpoint is DnsEndPoint { Port: 0 } name ? new DnsEndPoint(name.Host, 6379) : endpoint, cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
