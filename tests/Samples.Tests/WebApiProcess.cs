using System.Globalization;
using System.Text;

namespace Actors.Samples.Tests;

/// <summary>The sample web API as a separate process.</summary>
public sealed class WebApiProcess : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    // Keys may contain any text, which HttpClient would reject.
    private static readonly HttpClient Http =
        new(new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8 }) { Timeout = TimeSpan.FromSeconds(30) };

    private readonly RunningProgram _program;
    private readonly int _port;

    private WebApiProcess(RunningProgram program, int port) => (_program, _port) = (program, port);

    public Uri Url(string path) => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_port}{path}"));

    /// <summary>Starts it and returns once it answers.</summary>
    public static async Task<WebApiProcess> StartAsync(Deployment deployment, params string[] arguments)
    {
        var port = FreePorts.Next();
        var program = RunningProgram.Start(
            DotnetProgram.WebApiSample, deployment.Directory, deployment.Environment, ["--urls", $"http://127.0.0.1:{port}", .. arguments]);
        var app = new WebApiProcess(program, port);
        try
        {
            await Eventually.IsTrueAsync(app.AnswersAsync, StartLimit);
            return app;
        }
        catch
        {
            app.Dispose();
            throw;
        }
    }

    public async Task<HttpResponseMessage> GetAsync(string path, string key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Url(path));
        request.Headers.TryAddWithoutValidation("X-Api-Key", key);
        return await Http.SendAsync(request);
    }

    /// <summary>Sends searches of one client as fast as responses arrive.</summary>
    public Task<HttpLoad> LoadAsync(string key, int seconds) =>
        HttpLoad.RunAsync(Url("/search"), $"X-Api-Key: {key}", TimeSpan.FromSeconds(seconds));

    public void Dispose() => _program.Dispose();

    private async Task<bool> AnswersAsync()
    {
        if (_program.HasExited)
            throw new InvalidOperationException($"The web API exited during its start:\n{await _program.CompletedAsync(StartLimit)}");
        try
        {
            using var response = await Http.GetAsync(Url("/health"));
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
