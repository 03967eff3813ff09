namespace Actors.Core;

/// <summary>The display name of a silo, also accepted as input: "127.0.0.1:11111@1234", "[::1]:11111@1234".</summary>
internal static class SiloName
{
    /// <summary>The name of a silo. Unlike Orleans' own form it keeps the brackets of an IPv6 address.</summary>
    public static string Of(SiloAddress silo) => $"{silo.Endpoint}@{silo.Generation}";

    /// <summary>True if the text names this silo, with or without the brackets.</summary>
    public static bool Names(string text, SiloAddress silo) => text == Of(silo) || text == silo.ToParsableString();
}
