namespace Actors.Cli.Tests.Fakes;

internal static class Pause
{
    /// <summary>Lets others run, as every real call does.</summary>
    public static async Task ShortlyAsync() => await Task.Yield();
}
