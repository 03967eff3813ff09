using System.Text.Json;

namespace Actors.Bench.App;

/// <summary>Carries out the commands of the measuring process, in a process that it started.</summary>
internal static class AppCommands
{
    /// <summary>Reports that this process is ready, then answers commands until the input ends.</summary>
    public static async Task AnswerAsync(Func<AppCommand, Task<AppReply>> answer)
    {
        Tell(new());
        while (await Console.In.ReadLineAsync() is { } line)
        {
            try
            {
                Tell(await answer(JsonSerializer.Deserialize(line, AppJson.Default.AppCommand)!));
            }
            catch (Exception error)
            {
                // The measuring process decides what a failure means.
                Tell(new(Error: error.ToString()));
            }
        }
    }

    private static void Tell(AppReply reply) => Console.Out.WriteLine(JsonSerializer.Serialize(reply, AppJson.Default.AppReply));
}
