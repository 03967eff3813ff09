namespace Actors.Bench.App;

/// <summary>
/// The app's process: runs turns of its works on command. Ours and the peers share it, so they have the same heap, thread pool and
/// callers.
/// </summary>
internal static class AppWorker
{
    public static async Task RunAsync()
    {
        var settings = AppSettings.FromEnvironment();
        var works = new Dictionary<string, AppWork>(StringComparer.Ordinal);
        try
        {
            await AppCommands.AnswerAsync(async command =>
            {
                switch (command.Verb)
                {
                    case AppVerb.Prepare:
                        await (works[command.Work] = AppWorks.Make(command.Work, settings)).PrepareAsync();
                        return new();
                    case AppVerb.Run:
                        return new(await works[command.Work].RunAsync(command.Callers, command.Duration));
                    case AppVerb.Verify:
                        await works[command.Work].VerifyAsync();
                        return new();
                    case AppVerb.Heap:
                        return new(Bytes: GC.GetTotalMemory(forceFullCollection: true));
                    default:
                        throw new InvalidOperationException($"The app has no verb {command.Verb}.");
                }
            });
        }
        finally
        {
            foreach (var work in works.Values) await work.DisposeAsync();
        }
    }
}
