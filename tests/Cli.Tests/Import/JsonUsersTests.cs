using System.Text;
using Actors.Cli.Import;

namespace Actors.Cli.Tests.Import;

public sealed class JsonUsersTests
{
    [Fact]
    public async Task Line_can_set_every_field_of_a_user()
    {
        var record = Assert.Single(await Reading.JsonAsync(
            """{"id":"a","displayName":"Ann","email":"a@b","attributes":{"x":"1","gone":null},"counters":{"n":-3},"tags":["t","u","t"]}"""));
        Assert.True(record.IsGood, record.Fault);
        Assert.Equal((1, "a", "Ann", "a@b"), (record.Line, record.Id, record.Patch.DisplayName, record.Patch.Email));
        Assert.Equal(new Dictionary<string, string?> { ["x"] = "1", ["gone"] = null }, record.Patch.Attributes);
        Assert.Equal(new Dictionary<string, long> { ["n"] = -3 }, record.Patch.Increment);
        Assert.Equal(new HashSet<string> { "t", "u" }, record.Patch.AddTags);
    }

    [Fact]
    public async Task Null_and_missing_mean_unchanged_and_name_is_an_alias_of_displayName()
    {
        var records = await Reading.JsonAsync("""
            {"id":"a","displayName":null,"email":null,"attributes":null,"counters":null,"tags":null}
            {"id":"b"}
            {"id":"c","name":"Cy"}
            """);
        Assert.All(records, record => Assert.True(record.IsGood, record.Fault));
        Assert.Equal(new UserPatch(), records[0].Patch);
        Assert.Equal(new UserPatch(), records[1].Patch);
        Assert.Equal("Cy", records[2].Patch!.DisplayName);
    }

    [Fact]
    public async Task Lines_are_numbered_as_in_an_editor_and_blank_ones_are_skipped()
    {
        var records = await Reading.JsonAsync("\ufeff{\"id\":\"a\"}\r\n\n   \n{\"id\":\"b\"}\nbroken\n\n{\"id\":\"c\"}");
        Assert.Equal([1L, 4L, 5L, 7L], records.Select(r => r.Line));
        Assert.Equal(["a", "b", null, "c"], records.Select(r => r.Id));
    }

    [Theory]
    [InlineData("{", "not JSON")]
    [InlineData("{\"id\":\"a\"} x", "not JSON")]
    [InlineData("{\"id\":\"a\",\"id\":\"b\"}", "not JSON")]
    [InlineData("[]", "is an array; expected an object")]
    [InlineData("{}", "has no id")]
    [InlineData("{\"id\":null}", "has no id")]
    [InlineData("{\"id\":7}", "id is a number; expected a string")]
    [InlineData("{\"id\":\"a\",\"mail\":\"x\"}", "unknown field 'mail'; fields are id, displayName (or name), email")]
    [InlineData("{\"id\":\"a\",\"displayName\":\"x\",\"name\":\"y\"}", "both displayName and name")]
    [InlineData("{\"id\":\"a\",\"attributes\":{\"n\":1}}", "attributes.n is a number; expected a string")]
    [InlineData("{\"id\":\"a\",\"attributes\":[]}", "attributes is an array; expected an object")]
    [InlineData("{\"id\":\"a\",\"counters\":{\"n\":1.5}}", "counters.n is 1.5; expected a 64-bit integer")]
    [InlineData("{\"id\":\"a\",\"counters\":{\"n\":9223372036854775808}}", "counters.n is 9223372036854775808")]
    [InlineData("{\"id\":\"a\",\"counters\":{\"n\":\"1\"}}", "counters.n is \"1\"")]
    [InlineData("{\"id\":\"a\",\"tags\":\"t\"}", "tags is a string; expected an array")]
    [InlineData("{\"id\":\"a\",\"tags\":[null]}", "a tag is null")]
    [InlineData("{\"id\":\"\\ud800\"}", "not valid UTF-8")]
    public async Task Invalid_line_is_reported_with_the_expected_format(string line, string expected)
    {
        var records = await Reading.JsonAsync($"{{\"id\":\"before\"}}\n{line}\n{{\"id\":\"after\"}}\n");
        Assert.Equal(["before", null, "after"], records.Select(r => r.Id));
        Assert.Equal(2, records[1].Line);
        Assert.Contains(expected, records[1].Fault!, StringComparison.Ordinal);
        Assert.DoesNotContain("LineNumber", records[1].Fault!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invalid_UTF8_and_overlong_lines_do_not_affect_other_lines()
    {
        byte[] file =
        [
            .. "{\"id\":\""u8, 0xff, .. "\"}\n"u8,
            .. Encoding.ASCII.GetBytes(new string('x', (3 * LineReader.MaxBytes) + 17)), (byte)'\n',
            .. "{\"id\":\"good\"}"u8,
        ];
        var records = await Reading.JsonAsync(file);
        Assert.Equal([1L, 2L, 3L], records.Select(r => r.Line));
        Assert.Equal([null, null, "good"], records.Select(r => r.Id));
        Assert.Contains("longer than 1.0 MiB", records[1].Fault!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Overlong_last_line_is_reported()
    {
        var records = await Reading.JsonAsync(new string('x', (2 * LineReader.MaxBytes) + 1));
        Assert.Contains("longer than", Assert.Single(records).Fault!, StringComparison.Ordinal);
    }
}
