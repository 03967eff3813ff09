using System.Diagnostics;
using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Nodes;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>Users exported from a real database and imported again, through files and pipes.</summary>
public sealed class ExportCommandTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private static readonly string[] Odd =
    [
        "a b", " a ", "a;b", "a,b", "\"\"", "a\r\nb", "\n x", "\tx", "[\"a\"]", "{}", "é👋", "\u0001\u001fx", "\ufeffx", "\uffff", "=1+1", "null", "\\u0041",
    ];

    [Fact]
    public async Task Export_is_imported_again_without_loss_through_files_and_pipes()
    {
        await using var deployment = await Deployment.StartAsync(silos: 1);
        var users = Users().ToDictionary(user => (string)user["id"]!, StringComparer.Ordinal);
        var file = Path.Combine(deployment.Directory, "users.json");
        await File.WriteAllTextAsync(file, $"[{string.Join(",\n", users.Values.Select(user => user.ToJsonString()))}]");
        await CliAsync(deployment, "import", file);

        // Directly after the import: the export waits for the flush.
        var exported = Path.Combine(deployment.Directory, "exported.jsonl");
        var run = await CliAsync(deployment, "export", exported);
        Assert.Equal($"{users.Count} exported", run.Output.Trim());
        AssertSame(users, await File.ReadAllTextAsync(exported));

        // A second import into the same cluster changes only counters.
        await ShellAsync(deployment, "$ACTORS export --format csv | gzip | $ACTORS import /dev/stdin --format csv");
        foreach (var user in users.Values.Where(user => user["counters"] is not null))
            user["counters"] = new JsonObject(user["counters"]!.AsObject().Select(each => KeyValuePair.Create(each.Key, (JsonNode?)((long)each.Value! * 2))));
        await CliAsync(deployment, "export", exported + ".gz");
        await using var gzip = new GZipStream(File.OpenRead(exported + ".gz"), CompressionMode.Decompress);
        using var reader = new StreamReader(gzip);
        AssertSame(users, await reader.ReadToEndAsync());

        // Deleted users are not exported, and --as-is needs no silo.
        await CliAsync(deployment, "user", "delete", "bare", "--durability", "database");
        users.Remove("bare");
        await deployment.Silo(0).KillAsync();
        var asIs = await CliAsync(deployment, "export", "--as-is");
        AssertSame(users, asIs.Output);
    }

    private static IEnumerable<JsonObject> Users()
    {
        yield return new() { ["id"] = "bare" };
        yield return new()
        {
            ["id"] = "full",
            ["displayName"] = "Ada",
            ["email"] = "a@b",
            ["attributes"] = new JsonObject { ["plan"] = "pro", ["empty"] = "" },
            ["counters"] = new JsonObject { ["zero"] = 0L, ["large"] = 4611686018427387903L, ["negative"] = -4611686018427387904L },
            ["tags"] = new JsonArray("x", "y"),
        };
        foreach (var text in Odd)
        {
            yield return new()
            {
                ["id"] = text,
                ["displayName"] = text,
                ["attributes"] = new JsonObject { [text] = text, [text + " "] = "", ["odd"] = text },
                ["counters"] = new JsonObject { [text] = 7L, [text + " "] = 8L },
                ["tags"] = new JsonArray(text, "last"),
            };
        }
    }

    private static void AssertSame(Dictionary<string, JsonObject> expected, string lines)
    {
        var actual = lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!.AsObject())
            .ToDictionary(user => (string)user["id"]!, StringComparer.Ordinal);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
        Assert.All(expected, user => Assert.Equal(Canonical(user.Value), Canonical(actual[user.Key])));
    }

    // Tags and object members have no order.
    private static string Canonical(JsonObject user)
    {
        string Sorted(string name) => user[name] is not { } map
            ? ""
            : JsonSerializer.Serialize(new SortedDictionary<string, JsonNode?>(map.AsObject().ToDictionary(), StringComparer.Ordinal));

        var tags = user["tags"]?.AsArray().Select(tag => (string)tag!).Order(StringComparer.Ordinal);
        return $"{user["displayName"]?.ToJsonString()} {user["email"]} {Sorted("attributes")} {Sorted("counters")} {JsonSerializer.Serialize(tags)}";
    }

    private static async Task<ProgramRun> CliAsync(Deployment deployment, params string[] arguments)
    {
        var run = await deployment.CliAsync(arguments);
        Assert.True(run.ExitCode == 0, $"{run}\n{deployment.Describe()}");
        return run;
    }

    private static async Task ShellAsync(Deployment deployment, string commands)
    {
        var info = new ProcessStartInfo("bash", ["-euo", "pipefail", "-c", commands])
        {
            WorkingDirectory = deployment.Directory,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in deployment.Environment) info.Environment[name] = value;
        info.Environment["ACTORS"] = $"{DotnetProgram.Dotnet} {DotnetProgram.Cli}";
        using var process = Process.Start(info)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Limit);
        Assert.True(process.ExitCode == 0, await output + await error);
    }
}
