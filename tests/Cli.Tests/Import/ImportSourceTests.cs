using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Import;

/// <summary>The inputs of an import: arrays, pipes and compressed files, complete or truncated.</summary>
public sealed class ImportSourceTests : IDisposable
{
    private const string Three = """{"id":"a","counters":{"n":1}},{"id":"b","tags":["],[","\"}"]},{"id":"c","name":"C"}""";

    private readonly Shell _shell = new();

    public static TheoryData<string> Arrays =>
    [
        $"[{Three}]",
        $"\ufeff  \n[\n  {Three.Replace("},", "},\n  ", StringComparison.Ordinal)}\n]\n",
        Three.Replace("},", "}\n", StringComparison.Ordinal).Replace("{\"id", "{\n  \"id", StringComparison.Ordinal) + "\n",
        "[ " + Three.Replace("{", "{\n", StringComparison.Ordinal).Replace(":", " :\r\n", StringComparison.Ordinal) + " ] \r\n\r\n",
    ];

    public static TheoryData<string, string, int> BrokenArrays => new()
    {
        { $"[{Three}", "record 3: (line 1) the array is not closed", 2 },
        { $"[{Three},", "record 4: (line 1) the array is not closed", 3 },
        { $"[{Three},]", "record 4: (line 1) there is no user after the last comma of the array", 3 },
        { $"[{Three}]\n[{Three}]", "record 4: (line 2) there is text after the end of the array", 3 },
        { $"[,{Three}]", "record 1: (line 1) there is no user before a comma", 3 },
        { $"[7,\n\"x\",{Three}]", "record 2: (line 2) is a string; expected an object", 3 },
        { $"[{{\"id\":\"x\"}} {{\"id\":\"y\"}},{Three}]", "record 1: (line 1) not JSON", 3 },
        { "{\n\"id\":\"x\"\n}\n{\n\"id\":7\n}\n{\n\"id\":\"y\"\n", "record 3: (line 7) the object is not closed", 1 },
        { "{\n\"id\":\"x\"\n}\n,{\"id\":\"y\"}]", "record 2: (line 4) there is no user before a comma", 2 },
        { "[{\"id\":\"a\",\"name\":\"never closed},{\"id\":\"b\"}]" + new string(' ', 2 * 1024 * 1024), "is longer than 1.0 MiB; nothing after it was read", 0 },
    };

    public void Dispose() => _shell.Dispose();

    [Theory]
    [MemberData(nameof(Arrays))]
    public async Task JSON_is_imported_completely_in_any_layout(string array)
    {
        foreach (var extension in (string[])["json", "jsonl"])
        {
            var result = await _shell.RunAsync("import", _shell.Write($"users.{extension}", array), "--restart");
            Assert.Equal((ExitCode.Done, "3 imported, 0 skipped", ""), (result.ExitCode, result.Output.Trim(), result.Error));
        }

        // The second import has the same content and therefore the same request ids as the first.
        Assert.Equal(1, _shell.Cluster.Find("a")!.Counters["n"]);
        Assert.Equal(new HashSet<string> { "],[", "\"}" }, _shell.Cluster.Find("b")!.Tags);
        Assert.Equal("C", _shell.Cluster.Find("c")!.DisplayName);
    }

    [Fact]
    public async Task Empty_array_imports_no_users()
    {
        var result = await _shell.RunAsync("import", _shell.Write("users.json", " [ ] "));
        Assert.Equal((ExitCode.Done, "0 imported, 0 skipped"), (result.ExitCode, result.Output.Trim()));
    }

    [Theory]
    [MemberData(nameof(BrokenArrays))]
    public async Task JSON_errors_are_reported_and_the_rest_is_imported(string array, string expected, int imported)
    {
        var result = await _shell.RunAsync("import", _shell.Write("users.json", array));
        Assert.Equal(ExitCode.Failed, result.ExitCode);
        Assert.StartsWith($"{imported} imported, ", result.Output, StringComparison.Ordinal);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Import_of_a_one_line_array_resumes_where_it_stopped_and_counts_nothing_twice()
    {
        var users = string.Join(',', Enumerable.Range(1, 500).Select(i => $$"""{"id":"u{{i % 50}}","counters":{"n":1} }"""));
        var file = _shell.Write("users.json", $"[{users}]");
        var isDown = true;
        _shell.Cluster.BeforeWrite = (id, _, _) =>
            isDown && id == "u33" && _shell.Cluster.Find(id) is { Version: >= 3 } ? throw new StorageUnavailableException("Redis", "down") : Task.CompletedTask;
        var stopped = await _shell.RunAsync("import", file, "--concurrency", "8");
        Assert.Equal(ExitCode.Unavailable, stopped.ExitCode);
        Assert.Contains("stopped after record ", stopped.Error, StringComparison.Ordinal);

        isDown = false;
        var resumed = await _shell.RunAsync("import", file, "--concurrency", "8");
        Assert.Equal((ExitCode.Done, "500 imported, 0 skipped"), (resumed.ExitCode, resumed.Output.Trim()));
        Assert.All(_shell.Cluster.Users.Values, user => Assert.Equal(10, user.Current!.Counters["n"]));
    }

    [Fact]
    public async Task Standard_input_is_imported_and_leaves_no_progress_file()
    {
        _shell.Input = Encoding.UTF8.GetBytes(Three.Replace("},", "}\n", StringComparison.Ordinal));
        var result = await _shell.RunAsync("import", "-", "--format", "jsonl");
        Assert.Equal((ExitCode.Done, "3 imported, 0 skipped"), (result.ExitCode, result.Output.Trim()));
        Assert.Empty(Directory.GetFiles(_shell.Directory));

        // A repeated import is a new import, not a retry.
        await _shell.RunAsync("import", "-", "--format", "jsonl");
        Assert.Equal(2, _shell.Cluster.Find("a")!.Counters["n"]);

        var unnamed = await _shell.RunAsync("import", "-");
        Assert.Equal(ExitCode.Usage, unnamed.ExitCode);
        Assert.Contains("the format of standard input is unknown; set --format", unnamed.OnlyError(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("users.jsonl")]
    [InlineData("users.jsonl.gz")]
    public async Task Named_pipe_is_imported(string name)
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("There are no named pipes among the files of Windows.");
        var pipe = _shell.Path(name);
        await Process.Start("mkfifo", pipe).WaitForExitAsync();
        var content = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(1, 3000).Select(i => $$"""{"id":"u{{i}}"}""" + "\n")));
        var writing = Task.Run(() => File.WriteAllBytes(pipe, name.EndsWith(".gz", StringComparison.Ordinal) ? Gzip(content) : content));
        var result = await _shell.RunAsync("import", pipe);
        Assert.Equal((ExitCode.Done, "3,000 imported, 0 skipped", ""), (result.ExitCode, result.Output.Trim(), result.Error));
        await writing;
        Assert.Equal([pipe], Directory.GetFiles(_shell.Directory));
    }

    [Fact]
    public async Task Failed_import_from_a_pipe_reports_that_it_cannot_be_resumed()
    {
        _shell.Input = Encoding.UTF8.GetBytes("""{"id":"a"}""");
        _shell.Cluster.BeforeWrite = (_, _, _) => throw new StorageUnavailableException("Redis", "Redis is down.");
        var result = await _shell.RunAsync("import", "-", "--format", "jsonl");
        Assert.Equal(ExitCode.Unavailable, result.ExitCode);
        Assert.Contains("stopped after line 0", result.OnlyError(), StringComparison.Ordinal);
        Assert.Contains("cannot be resumed", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("users.jsonl.gz")]
    [InlineData("users.csv.gz", "id,name\na,A\nb,B\n")]
    [InlineData("users.json.GZIP", "[{\"id\":\"a\",\"name\":\"A\"},{\"id\":\"b\",\"name\":\"B\"}]")]
    [InlineData("users.jsonl")]
    public async Task Gzip_file_is_recognised_by_content(string name, string text = "{\"id\":\"a\",\"name\":\"A\"}\n{\"id\":\"b\",\"name\":\"B\"}\n")
    {
        var file = _shell.Path(name);
        await File.WriteAllBytesAsync(file, Gzip(Encoding.UTF8.GetBytes(text)));
        var result = await _shell.RunAsync("import", file);
        Assert.Equal((ExitCode.Done, "2 imported, 0 skipped", ""), (result.ExitCode, result.Output.Trim(), result.Error));
        Assert.Equal("B", _shell.Cluster.Find("b")!.DisplayName);
        Assert.True(File.Exists(file + ".progress"));

        // Gzip allows several streams in one file.
        await File.WriteAllBytesAsync(file, [.. Gzip(Encoding.UTF8.GetBytes(text)), .. Gzip("\n"u8.ToArray())]);
        Assert.Equal(ExitCode.Done, (await _shell.RunAsync("import", file, "--restart")).ExitCode);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.9999)]
    public async Task Truncated_gzip_file_is_never_complete(double share)
    {
        var text = string.Concat(Enumerable.Range(1, 3000).Select(i => $$"""{"id":"u{{i}}","name":"{{Guid.NewGuid()}}"}""" + "\n"));
        var whole = Gzip(Encoding.UTF8.GetBytes(text));
        var file = _shell.Path("users.jsonl.gz");
        await File.WriteAllBytesAsync(file, whole[..(int)(whole.Length * share)]);
        var result = await _shell.RunAsync("import", file);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains("error: the gzip file is truncated or damaged", result.Error, StringComparison.Ordinal);

        await File.WriteAllBytesAsync(file, whole);
        var again = await _shell.RunAsync("import", file, "--restart");
        Assert.Equal((ExitCode.Done, "3,000 imported, 0 skipped"), (again.ExitCode, again.Output.Trim()));
    }

    [Theory]
    [InlineData(new byte[] { 0x28, 0xB5, 0x2F, 0xFD, 0 }, "is compressed by zstd")]
    [InlineData(new byte[] { 0x42, 0x5A, 0x68, 0x39, 0 }, "is compressed by bzip2")]
    [InlineData(new byte[] { 0xFD, 0x37, 0x7A, 0x58, 0x5A, 0, 0 }, "is compressed by xz")]
    [InlineData(new byte[] { 0x50, 0x4B, 3, 4, 0 }, "is a ZIP archive")]
    [InlineData(new byte[] { 0xFF, 0xFE, 0x7B, 0 }, "is UTF-16; convert it to UTF-8")]
    public async Task Unsupported_compressions_and_encodings_are_reported_before_the_import(byte[] content, string expected)
    {
        var file = _shell.Path("users.jsonl");
        await File.WriteAllBytesAsync(file, content);
        var result = await _shell.RunAsync("import", file);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Fact]
    public async Task Directory_is_reported_as_a_directory()
    {
        var result = await _shell.RunAsync("import", _shell.Directory, "--format", "csv");
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains("is a directory", result.OnlyError(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("users.jsonl", "{\"id\":\"a\"}\n{\"id\":\" \"}\n{\"id\":\"\\n\\t\"}\n{\"id\":\"b\"}\n")]
    [InlineData("users.json", "[{\"id\":\"a\"},{\"id\":\" \"},{\"id\":\"\\n\\t\"},{\"id\":\"b\"}]")]
    [InlineData("users.csv", "id\na\n\" \"\n\"\u2003\u00a0\"\nb\n")]
    public async Task Blank_id_is_reported_and_the_rest_is_imported(string name, string text)
    {
        var result = await _shell.RunAsync("import", _shell.Write(name, text));
        Assert.Equal((ExitCode.Failed, "2 imported, 2 skipped"), (result.ExitCode, result.Output.Trim()));
        Assert.Equal(2, result.Error.Split("is blank; use 1 to 512 bytes").Length - 1);
    }

    [Theory]
    [InlineData("user", "get")]
    [InlineData("user", "set", "--tag", "t")]
    [InlineData("user", "delete")]
    [InlineData("user", "flush")]
    [InlineData("limit", "acquire")]
    [InlineData("limit", "peek")]
    [InlineData("limit", "reset")]
    [InlineData("limit", "set", "--limit", "3/1s")]
    public async Task Blank_id_is_a_usage_error_of_every_command(params string[] command)
    {
        foreach (var id in (string[])["", " ", "\t\n"])
        {
            var result = await _shell.RunAsync([.. command[..2], id, .. command[2..]]);
            Assert.True(result.ExitCode == ExitCode.Usage, result.Output + result.Error);
            Assert.Contains("1 to 512 bytes of UTF-8", result.OnlyError(), StringComparison.Ordinal);
        }

        Assert.Equal(0, _shell.Cluster.Connections);
    }

    private static byte[] Gzip(byte[] content)
    {
        var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest)) gzip.Write(content);
        return compressed.ToArray();
    }
}
