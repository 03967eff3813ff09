namespace Actors.Grains.Tests;

/// <summary>External text stays on its line and cannot control the terminal.</summary>
public sealed class PrintableTextTests
{
    [Theory]
    [InlineData("ada", "ada")]
    [InlineData("Ünï 🦉", "Ünï 🦉")]
    [InlineData("a\u001b[2Jb\u0007", "a\\u001b[2Jb\\u0007")]
    [InlineData("a\r\nb\u0085c\u2028d", "a\\u000d\\u000ab\\u0085c\\u2028d")]
    [InlineData("a\u202eb\u200f", "a\\u202eb\\u200f")]
    public void Control_characters_are_escaped(string text, string printable) => Assert.Equal(printable, PrintableText.Of(text));

    [Fact]
    public void Half_of_a_surrogate_pair_is_escaped()
    {
        Assert.Equal("a\\ud83d", PrintableText.Of("a\ud83d"));
        Assert.Equal("\\udd89a", PrintableText.Of("\udd89a"));
    }
}
