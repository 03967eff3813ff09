namespace Actors.Grains.Tests;

/// <summary>Text from outside stays on its line and steers no terminal.</summary>
public sealed class PrintableTextTests
{
    [Theory]
    [InlineData("ada", "ada")]
    [InlineData("Ünï 🦉", "Ünï 🦉")]
    [InlineData("a\u001b[2Jb\u0007", "a\\u001b[2Jb\\u0007")]
    [InlineData("a\r\nb\u0085c\u2028d", "a\\u000d\\u000ab\\u0085c\\u2028d")]
    [InlineData("a\u202eb\u200f", "a\\u202eb\\u200f")]
    [InlineData("a\ud83d", "a\\ud83d")]
    [InlineData("\udd89a", "\\udd89a")]
    public void What_a_terminal_acts_on_is_escaped(string text, string printable) => Assert.Equal(printable, PrintableText.Of(text));
}
