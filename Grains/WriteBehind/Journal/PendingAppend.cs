using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>The outcome of an append to the journal.</summary>
internal enum AppendOutcome
{
    /// <summary>The row is in the journal.</summary>
    Journaled,

    /// <summary>The row is not in the journal because its key has another owner.</summary>
    Fenced,

    /// <summary>The row is not in the journal because the journal is unreachable.</summary>
    Unavailable,

    /// <summary>The journal did not answer. The row may or may not be in it.</summary>
    Unknown,
}

/// <summary>A row on its way to the journal, and the journal's answer.</summary>
internal class PendingAppend(Row row)
{
    // Continuations run asynchronously, each grain on its own scheduler: none of them runs on the append loop.
    private readonly TaskCompletionSource<AppendOutcome> _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Row Row { get; } = row;

    /// <summary>Completes with the journal's answer. The journal answers every row.</summary>
    public Task<AppendOutcome> Answered => _answered.Task;

    /// <summary>
    /// Only the first answer counts. Called by the one append loop of the row's partition, or instead of it for an owner that the
    /// journal does not know.
    /// </summary>
    public void Answer(AppendOutcome outcome)
    {
        if (Answered.IsCompleted) return;
        try
        {
            OnAnswer(outcome);
            _answered.SetResult(outcome);
        }
        catch (Exception error)
        {
            // Such as OutOfMemoryException. It concerns the caller; the append loop goes on with the other rows.
            _answered.SetException(error);
        }
    }

    /// <summary>The work that must be done before the caller is resumed.</summary>
    protected virtual void OnAnswer(AppendOutcome outcome)
    {
    }
}
