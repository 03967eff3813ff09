using System.CommandLine;
using Actors.Cli.Connection;

namespace Actors.Cli.Commands;

/// <summary>The options of every command.</summary>
internal static class GlobalOptions
{
    public static readonly Option<string?> Redis = new("--redis")
    {
        Description = "Connection string of the cluster's Redis.",
        HelpName = "CONNSTR",
        Recursive = true,
    };

    public static readonly Option<string[]> Gateway = CreateGateway();

    public static readonly Option<bool> Json = new("--json")
    {
        Description = "Print the result as JSON.",
        Recursive = true,
    };

    public static readonly Option<bool> Verbose = new("--verbose")
    {
        Description = "Show warnings of the cluster connection on standard error.",
        Recursive = true,
    };

    public static bool IsJson(this ParseResult parsed) => parsed.GetValue(Json);

    public static Task<ICluster> ConnectAsync(
        this CommandContext context, ParseResult parsed, CancellationToken cancellationToken)
    {
        var target = new ClusterTarget(
            parsed.GetValue(Redis), parsed.GetValue(Gateway) ?? [], context.Configuration, context.Directory, parsed.GetValue(Verbose));
        return context.Connector.ConnectAsync(target, cancellationToken);
    }

    private static Option<string[]> CreateGateway()
    {
        var gateway = new Option<string[]>("--gateway")
        {
            Description = "Gateway of a silo, to connect without Redis. Can be repeated.",
            HelpName = "HOST:PORT",
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
            Recursive = true,
        };
        gateway.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(token => !GatewayAddress.TryParse(token.Value, out _)))
                result.AddError($"--gateway is {GatewayAddress.Quote(token.Value)}; use {GatewayAddress.Allowed}");
        });
        return gateway;
    }
}
