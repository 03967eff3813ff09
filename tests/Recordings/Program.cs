using Actors.Recordings;

if (args is not [var directory])
{
    Console.Error.WriteLine("Usage: dotnet run --project tests/Recordings -c Release -- DIRECTORY");
    return 2;
}

await Recorder.RunAsync(directory);
return 0;
