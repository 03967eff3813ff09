using System.Runtime.InteropServices;
using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Output;
using Microsoft.Extensions.Configuration;

using var stop = new CancellationTokenSource();

// The first Ctrl-C or SIGTERM asks the command to end cleanly; a second one ends the process at once.
void Stop(PosixSignalContext signal)
{
    if (stop.IsCancellationRequested)
        return;
    signal.Cancel = true;
    stop.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

var terminal = Terminal.OfProcess();
var context = new CommandContext
{
    Terminal = terminal,
    Connector = new OrleansConnector(terminal),
    Configuration = new ConfigurationBuilder().AddEnvironmentVariables().Build(),
    Time = TimeProvider.System,
};
return await CommandLine.RunAsync(args, context, stop.Token);
