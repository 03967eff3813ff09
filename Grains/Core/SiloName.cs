namespace Actors.Core;

/// <summary>How a silo is named to people and by them: "127.0.0.1:11111@1234", "[::1]:11111@1234".</summary>
internal static class SiloName
{
    /// <summary>The name of a silo. Orleans' own form leaves out the brackets of an IPv6 address.</summary>
    public static string Of(SiloAddress silo) => $"{silo.Endpoint}@{silo.Generation}";

    /// <summary>True if the text names this silo, with or without the brackets.</summary>
    public static bool Names(string text, SiloAddress silo) => text == Of(silo) || text == silo.ToParsableString();
}
