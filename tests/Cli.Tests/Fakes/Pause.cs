namespace Actors.Cli.Tests.Fakes;

internal static class Pause
{
    /// <summary>Yields, as every real call does.</summary>
    public static async Task ShortlyAsync() => await Task.Yield();
}
