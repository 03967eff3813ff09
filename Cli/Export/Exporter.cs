using System.IO.Pipelines;
using Actors.Cli.Output;
using Actors.Cli.Verify;

namespace Actors.Cli.Export;

/// <summary>Writes all users of a database one at a time, with memory independent of their number.</summary>
internal sealed class Exporter(UserDatabase database, IUserWriter writer, Action<string> report, TimeProvider time)
{
    private const int FlushAt = 64 * 1024;

    private readonly long _began = time.GetTimestamp();
    private long _surveyed;
    private long _exported;
    private long _bytes;

    public long Exported => Interlocked.Read(ref _exported);

    /// <summary>Rows that could not be read; each was reported.</summary>
    public long Failed { get; private set; }

    /// <summary>The progress of the export, on one line.</summary>
    public string Describe()
    {
        var exported = Exported;
        if (exported == 0) return $"scanned {Text.Count(Interlocked.Read(ref _surveyed), "user")}";
        var rate = exported / Math.Max(0.001, time.GetElapsedTime(_began).TotalSeconds);
        return $"{Text.Of(exported)} exported  {Text.Bytes(Interlocked.Read(ref _bytes))}  {Text.Of((long)rate)}/s";
    }

    public async Task RunAsync(Stream output, CancellationToken cancellationToken)
    {
        await using var snapshot = await database.OpenAsync(cancellationToken);
        if (writer.NeedsSurvey)
        {
            await foreach (var row in snapshot.ReadAsync(cancellationToken))
            {
                if (TryRead(row, reports: false) is { } user) writer.Survey(user);
                Interlocked.Increment(ref _surveyed);
            }
        }

        var pipe = PipeWriter.Create(output, new(leaveOpen: true));
        writer.Begin(pipe);
        await foreach (var row in snapshot.ReadAsync(cancellationToken))
        {
            if (TryRead(row, reports: true) is not { } user) continue;
            writer.Write(user, pipe);
            Interlocked.Increment(ref _exported);
            if (pipe.UnflushedBytes >= FlushAt) await FlushAsync(pipe, cancellationToken);
        }
        await FlushAsync(pipe, cancellationToken);
        await pipe.CompleteAsync();
    }

    private async Task FlushAsync(PipeWriter pipe, CancellationToken cancellationToken)
    {
        Interlocked.Add(ref _bytes, pipe.UnflushedBytes);
        await pipe.FlushAsync(cancellationToken);
    }

    /// <summary>Null for a deleted user or an unreadable row.</summary>
    private ExportedUser? TryRead(UserRow row, bool reports)
    {
        try
        {
            var user = ExportedUser.Of(row.Id, row.State);
            return user.Deleted ? null : user;
        }
        catch (FormatException e)
        {
            if (reports)
            {
                Failed++;
                report($"user '{Text.Short(row.Id)}': {Text.Printable(e.Message)}");
            }
            return null;
        }
    }
}
