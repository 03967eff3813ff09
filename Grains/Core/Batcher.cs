namespace Actors.Core;

/// <summary>
/// Combines many small requests into few large ones. One batch is in flight at a time; requests made meanwhile go into the
/// next. A single request is sent at once. Under load batches grow in size, not in number.
/// </summary>
/// <param name="maxBatch">The maximum number of requests in one batch.</param>
/// <param name="answer">Answers a batch, position by position. If it throws, all callers of the batch get that error.</param>
internal sealed class Batcher<TQuestion, TAnswer>(int maxBatch, Func<IReadOnlyList<TQuestion>, Task<IReadOnlyList<TAnswer>>> answer)
{
    // Guards the fields below; held for a few field accesses, never over an await.
    private readonly Lock _gate = new();

    // Batches not sent yet, oldest first. They hold one request per waiting caller.
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

                // Runs off the caller's scheduler. Every batch it takes is completed, with a result or an error.
                _ = Task.Run(AnswerAsync);
            }
        }

        // The caller chooses its own continuation context. Resuming on a grain's scheduler here would cost an extra turn.
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
