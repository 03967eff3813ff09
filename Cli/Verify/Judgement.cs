namespace Actors.Cli.Verify;

/// <summary>The kinds of violations.</summary>
internal enum Offence
{
    /// <summary>An acknowledged user is missing.</summary>
    Missing,

    /// <summary>The stored version is older than the acknowledged one.</summary>
    Stale,

    /// <summary>The stored state differs from the acknowledged one, or cluster and database disagree.</summary>
    Wrong,
}

/// <summary>One violation of a user.</summary>
internal sealed record Finding(string Id, Offence Offence, string Reason);

/// <summary>
/// Checks one user: the ledger's requirement against the state of cluster and database after a flush. A later version than the
/// ledger's is valid, because a write may take effect without its receipt, as long as cluster and database agree.
/// </summary>
internal static class Judgement
{
    /// <returns>All violations of the user; empty if there are none.</returns>
    public static IReadOnlyList<Finding> Of(LedgerUser demanded, StoredState? cluster, StoredState? database)
    {
        var findings = new List<Finding>();
        void Blame(Offence offence, string reason) => findings.Add(new(demanded.Id, offence, reason));

        if (demanded.RepeatedVersion() is { } repeated)
            Blame(Offence.Wrong, $"version {repeated} was acknowledged twice");

        // The cluster does not show tombstones. If the database has one, the cluster must not have the user.
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
