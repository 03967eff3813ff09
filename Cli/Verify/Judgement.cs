namespace Actors.Cli.Verify;

/// <summary>In which way a user failed.</summary>
internal enum Offence
{
    /// <summary>An acknowledged user is not there.</summary>
    Missing,

    /// <summary>It is there at a version before the one acknowledged.</summary>
    Stale,

    /// <summary>What is there is not what was acknowledged, or cluster and database disagree.</summary>
    Wrong,
}

/// <summary>What is wrong with one user.</summary>
internal sealed record Finding(string Id, Offence Offence, string Reason);

/// <summary>
/// Judges one user: what the ledger demands against what cluster and database hold after a flush. A version later than the
/// ledger's is right (a write may take effect without its receipt ever arriving), as long as both hold the same.
/// </summary>
internal static class Judgement
{
    /// <returns>All that is wrong with the user; empty where nothing is.</returns>
    public static IReadOnlyList<Finding> Of(LedgerUser demanded, StoredState? cluster, StoredState? database)
    {
        var findings = new List<Finding>();
        void Blame(Offence offence, string reason) => findings.Add(new(demanded.Id, offence, reason));

        if (demanded.RepeatedVersion() is { } repeated)
            Blame(Offence.Wrong, $"version {repeated} was acknowledged twice");

        // The cluster has no tombstones to show: where there is one in the database, no user in the cluster is as it must be.
        if (cluster is null && database is not { IsDeleted: true })
            Blame(Offence.Missing, $"not in the cluster; version {demanded.Version} was acknowledged");
        else if (cluster is not null)
            Compare("the cluster", cluster);

        if (database is null)
            Blame(Offence.Missing, $"not in the database; version {demanded.Version} was acknowledged");
        else
            Compare("the database", database);

        if (cluster is not null && database is not null)
        {
            if (cluster.Version != database.Version)
                Blame(Offence.Wrong, $"the cluster has version {cluster.Version}, the database {database.Version}");
            else if (database.IsDeleted)
                Blame(Offence.Wrong, $"deleted in the database at version {database.Version}, but not in the cluster");
            else if (cluster.Digest != database.Digest)
                Blame(Offence.Wrong, $"cluster and database hold different states of version {cluster.Version}");
        }
        return findings;

        void Compare(string place, StoredState stored)
        {
            if (stored.Version < demanded.Version)
                Blame(Offence.Stale, $"{place} has version {stored.Version}; version {demanded.Version} was acknowledged");
            else if (stored.Version == demanded.Version && stored.Difference is { } difference)
                Blame(Offence.Wrong, $"version {stored.Version} in {place}: {difference}");
        }
    }
}
