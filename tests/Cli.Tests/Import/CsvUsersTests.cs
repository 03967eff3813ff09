using Actors.Cli.Commands;
using Actors.Cli.Import;

namespace Actors.Cli.Tests.Import;

public sealed class CsvUsersTests
{
    [Fact]
    public async Task Columns_may_be_in_any_order_and_an_empty_cell_changes_nothing()
    {
        var records = await Reading.CsvAsync("""
            counter.logins,email,attr.city,id,tags,name
            5,a@b,Oslo,a, x; y ;;x ,Ann
            ,,,b,,
            """);
        Assert.All(records, record => Assert.True(record.IsGood, record.Fault));
        var (ann, empty) = (records[0].Patch!, records[1]);
        Assert.Equal(("Ann", "a@b", 5), (ann.DisplayName, ann.Email, ann.Increment!["logins"]));
        Assert.Equal("Oslo", ann.Attributes!["city"]);
        Assert.Equal(new HashSet<string> { "x", "y" }, ann.AddTags);
        Assert.Equal(("b", new UserPatch()), (empty.Id, empty.Patch));
    }

    [Fact]
    public async Task Quoted_fields_may_hold_commas_quotes_and_line_ends_and_a_record_has_its_first_line_number()
    {
        var records = await Reading.CsvAsync("\ufeffid,name\r\na,\"x, \"\"y\"\"\r\nz\"\r\n\r\n\"b\",\"\"\n\"c\n\n\",end");
        Assert.All(records, record => Assert.True(record.IsGood, record.Fault));
        Assert.Equal([2L, 5L, 6L], records.Select(r => r.Line));
        Assert.Equal(["a", "b", "c\n\n"], records.Select(r => r.Id));
        Assert.Equal(["x, \"y\"\r\nz", null, "end"], records.Select(r => r.Patch!.DisplayName));
    }

    [Theory]
    [InlineData("b", "has 1 field, the header row has 3")]
    [InlineData("b,x,1,more", "has 4 fields, the header row has 3")]
    [InlineData(",x,1", "has no id")]
    [InlineData("b,x,1.5", "counter.n is '1.5'; expected a 64-bit integer")]
    [InlineData("b,x\"y,1", "a quote appears inside an unquoted field")]
    [InlineData("b,\"x\"y,1", "a closing quote is not followed by a comma")]
    public async Task Invalid_record_is_reported_and_does_not_affect_others(string line, string expected)
    {
        var records = await Reading.CsvAsync($"id,name,counter.n\nbefore,x,1\n{line}\nafter,x,1\n");
        Assert.Equal(["before", null, "after"], records.Select(r => r.Id));
        Assert.Equal(3, records[1].Line);
        Assert.Contains(expected, records[1].Fault!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invalid_UTF8_affects_only_its_record()
    {
        var records = await Reading.CsvAsync([.. "id\n"u8, 0xc3, (byte)'\n', .. "good\n"u8]);
        Assert.Equal([null, "good"], records.Select(r => r.Id));
        Assert.Contains("UTF-8", records[0].Fault!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unclosed_quote_ends_the_import()
    {
        var records = await Reading.CsvAsync("id,name\na,b\nc,\"open\nd,e\n");
        Assert.Equal([2L, 3L], records.Select(r => r.Line));
        Assert.Contains("never closed", records[1].Fault!, StringComparison.Ordinal);

        var endless = await Reading.CsvAsync("id,name\nc,\"open\n" + string.Concat(Enumerable.Repeat(new string('x', 1000) + "\n", 2000)));
        Assert.Contains("not closed within", Assert.Single(endless).Fault!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Overlong_unquoted_line_is_one_invalid_record()
    {
        var records = await Reading.CsvAsync("id\n" + new string('x', LineReader.MaxBytes + 1) + "\ngood\n");
        Assert.Equal([null, "good"], records.Select(r => r.Id));
    }

    [Theory]
    [InlineData("name,email\n", "has no column id")]
    [InlineData("id,mail\n", "names 'mail'; columns are id, name, email, tags")]
    [InlineData("id,attr.\n", "names 'attr.'")]
    [InlineData("id,name,displayName\n", "names 'name' twice")]
    [InlineData("id,attr.x,attr.x\n", "names 'x' twice")]
    [InlineData("id,\"name\n", "never closed")]
    public async Task Invalid_header_row_is_a_usage_error(string file, string expected)
    {
        var error = await Assert.ThrowsAsync<UsageException>(() => Reading.CsvAsync(file));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attribute_and_a_counter_may_share_a_name() =>
        Assert.True(Assert.Single(await Reading.CsvAsync("id,attr.x,counter.x\na,b,1")).IsGood);
}
