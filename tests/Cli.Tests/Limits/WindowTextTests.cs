using Actors.Cli.Commands;
using Actors.Cli.Limits;

namespace Actors.Cli.Tests.Limits;

public sealed class WindowTextTests
{
    [Theory]
    [InlineData("10/1s", 10, 1_000, "10/1s")]
    [InlineData("1000/1h", 1000, 3_600_000, "1000/1h")]
    [InlineData("5/500ms", 5, 500, "5/500ms")]
    [InlineData("100/min", 100, 60_000, "100/1m")]
    [InlineData("100/60s", 100, 60_000, "100/1m")]
    [InlineData("7/1.5s", 7, 1_500, "7/1500ms")]
    [InlineData("1/Hour", 1, 3_600_000, "1/1h")]
    [InlineData("1000000/31d", 1_000_000, 2_678_400_000, "1000000/31d")]
    [InlineData("1/1.5ms", 1, 1.5, "1/1.5ms")]
    public void Window_is_parsed_and_printed_in_the_same_format(string text, int limit, double milliseconds, string shown)
    {
        var window = WindowText.Parse(text);
        Assert.Equal(new(limit, TimeSpan.FromMilliseconds(milliseconds)), window);
        Assert.Equal(shown, WindowText.Of(window));
        Assert.Equal(window, WindowText.Parse(shown));
    }

    [Theory]
    [InlineData("10", "it is not PERMITS/DURATION")]
    [InlineData("", "it is not PERMITS/DURATION")]
    [InlineData("10/1s/2s", "it is not PERMITS/DURATION")]
    [InlineData("ten/1s", "'ten' is not a valid number of permits")]
    [InlineData("/1s", "'' is not a valid number of permits")]
    [InlineData("-1/1s", "'-1' is not a valid number of permits")]
    [InlineData("0/1s", "'0' is not a valid number of permits")]
    [InlineData("1000001/1s", "'1000001' is not a valid number of permits")]
    [InlineData("10/", "'' is not a valid window duration")]
    [InlineData("10/10", "'10' is not a valid window duration")]
    [InlineData("10/0", "'0' is not a valid window duration")]
    [InlineData("10/0s", "'0s' is not a valid window duration")]
    [InlineData("10/0.5ms", "'0.5ms' is not a valid window duration")]
    [InlineData("10/32d", "'32d' is not a valid window duration")]
    [InlineData("10/1w", "'1w' is not a valid window duration")]
    [InlineData("10/-1s", "'-1s' is not a valid window duration")]
    [InlineData("10/1.2.3s", "'1.2.3s' is not a valid window duration")]
    [InlineData("10/99999999999999999999999d", "'99999999999999999999999d' is not a valid window duration")]
    [InlineData("10/99999999999999999999999999999999999999d", "is not a valid window duration")]
    public void Invalid_windows_report_the_allowed_format(string text, string problem)
    {
        var error = Assert.Throws<UsageException>(() => WindowText.Parse(text)).Message;
        Assert.StartsWith($"--limit '{text}': ", error, StringComparison.Ordinal);
        Assert.Contains(problem, error, StringComparison.Ordinal);
        Assert.EndsWith("use 1 to 1,000,000 permits per 1ms to 31d, e.g. 10/1s, 5/500ms, 100/min or 1000/1h", error, StringComparison.Ordinal);
    }
}
