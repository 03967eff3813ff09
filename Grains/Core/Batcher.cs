namespace Actors.Core;

/// <summary>
/// Makes many small questions into few large ones: one batch is being answered at a time, and whatever is asked meanwhile
/// goes with the next. Alone, a question is asked at once; under load the batches grow instead of growing in number.
/// </summary>
/// <param name="maxBatch">The most questions in one batch.</param>
/// <param name="answer">Answers a batch, position by position; where it throws, all who asked get that error.</param>
internal sealed class Batcher<TQuestion, TAnswer>(int maxBatch, Func<IReadOnlyList<TQuestion>, Task<IReadOnlyList<TAnswer>>> answer)
{
    // Guards the fields below; held for a few field accesses, never over an await.
    private readonly Lock _gate = new();

    // Batches that are not being answered yet, oldest first. As many questions as there are callers waiting, no more.
    private readonly Queue<Batch> _waiting = new();
    private Batch? _open;
    private bool _isAnswering;

    public async Task<TAnswer> AskAsync(TQuestion question)
    {
        Batch batch;
        int position;
        lock (_gate)
        {
            if (_open is null || _open.Questions.Count >= maxBatch) _waiting.Enqueue(_open = new Batch());
            batch = _open;
            position = batch.Questions.Count;
            batch.Questions.Add(question);
            if (!_isAnswering)
            {
                _isAnswering = true;

                // Off the caller's scheduler. It owns its failures: every batch it takes is completed, whatever happens.
                _ = Task.Run(AnswerAsync);
            }
        }

        // Whoever awaits this decides where to go on; to pass through a grain's scheduler here as well would cost a turn.
        return (await batch.Answers.Task.ConfigureAwait(false))[position];
    }

    private async Task AnswerAsync()
    {
        while (true)
        {
            Batch? batch;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out batch))
                {
                    _isAnswering = false;
                    return;
                }

                if (ReferenceEquals(batch, _open)) _open = null;
            }

            try
            {
                batch.Answers.SetResult(await answer(batch.Questions));
            }
            catch (Exception error)
            {
                batch.Answers.SetException(error);
            }
        }
    }

    private sealed class Batch
    {
        public List<TQuestion> Questions { get; } = [];

        public TaskCompletionSource<IReadOnlyList<TAnswer>> Answers { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
