using Actors.Harness;
using Actors.Harness.Trials;

namespace Actors.Soak;

/// <summary>One trial: servers and silos start, it runs, and its findings are printed.</summary>
internal sealed class TrialRun(NamedTrial trial, TrialOptions options, bool keeps)
{
    private const int Clean = 0;
    private const int Wrong = 1;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("actors-trial-");

    public async Task<int> RunAsync()
    {
        using var line = new ProgressLine();
        using var diary = new Diary(Path.Combine(_directory.FullName, "trial.log"), line);
        diary.Write($"{trial.Name}: {trial.Description}");
        diary.Write($"seed {options.Seed}, rounds {options.Rounds}; logs, ledgers and timelines in {_directory.FullName}");
        var isClean = false;
        try
        {
            await using var deployment = await Deployment.StartAsync(
                trial.Silos, new(Directory: _directory.FullName, Settings: trial.Settings, HasReplica: trial.HasReplica));
            var verdict = await trial.RunAsync(deployment, options, diary.Write);
            diary.Write(verdict.ToString());
            isClean = verdict.IsClean;
            await File.WriteAllTextAsync(Path.Combine(_directory.FullName, "servers.log"), deployment.Describe());
        }
        catch (Exception error)
        {
            diary.Write($"FAILED: {error}");
        }

        diary.Dispose();
        if (isClean && !keeps) _directory.Delete(recursive: true);
        return isClean ? Clean : Wrong;
    }
}
