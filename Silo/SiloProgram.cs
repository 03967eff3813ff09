using Actors.Silo.Configuration;

namespace Actors.Silo;

/// <summary>Runs a silo until it ends. Prints one line if it fails.</summary>
internal static class SiloProgram
{
    public static async Task<int> RunAsync(string[] args)
    {
        var progress = new StartProgress();
        try
        {
            if (SiloArguments.IsHelp(args))
            {
                await Console.Out.WriteLineAsync(SiloArguments.Help);
                return SiloExitCode.Done;
            }

            await SiloHost.RunAsync(SiloArguments.Read(args), progress);
            return SiloExitCode.Done;
        }
        catch (Exception error)
        {
            var failure = StartFailure.Of(error, progress.Step);
            await Console.Error.WriteLineAsync($"error: {failure.Line}");
            return failure.ExitCode;
        }
    }
}
