using System.CommandLine;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Users;

/// <summary><c>actors user get|set|delete|flush ID</c></summary>
internal static class UserCommand
{
    public static Command Create(CommandContext context) => new("user", "Read and change one user.")
    {
        Get(context),
        Set(context),
        Delete(context),
        Flush(context),
    };

    private static Argument<string> Id() => new("ID") { Description = "The id of the user: 1 to 512 bytes of UTF-8." };

    private static Command Get(CommandContext context)
    {
        var id = Id();
        var command = new Command("get", "Show a user. Exit code 1 if the user does not exist.") { id };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var name = Checked(parsed.GetRequiredValue(id));
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            var user = await cluster.User(name).GetAsync(cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(user);
            else if (user is null)
                context.Terminal.Error($"no such user: '{Text.Short(name)}'");
            else
                UserView.Write(user, context.Terminal);
            return user is null ? ExitCode.Failed : ExitCode.Done;
        });
        return command;
    }

    private static Command Set(CommandContext context)
    {
        var id = Id();
        var patch = new PatchOptions();
        var write = new WriteOptionSet();
        var command = new Command("set", "Change or create a user. Values that are not given stay unchanged.") { id };
        patch.AddTo(command);
        write.AddTo(command);
        command.SetAction((parsed, cancellationToken) =>
        {
            var changes = patch.Read(parsed);
            return WriteAsync(context, parsed, parsed.GetRequiredValue(id),
                user => user.UpdateAsync(changes, write.Read(parsed), cancellationToken), cancellationToken);
        });
        return command;
    }

    private static Command Delete(CommandContext context)
    {
        var id = Id();
        var write = new WriteOptionSet();
        var command = new Command("delete", "Delete a user. Deleting a user that does not exist changes nothing.") { id };
        write.AddTo(command);
        command.SetAction((parsed, cancellationToken) =>
            WriteAsync(context, parsed, parsed.GetRequiredValue(id),
                user => user.DeleteAsync(write.Read(parsed), cancellationToken), cancellationToken));
        return command;
    }

    private static Command Flush(CommandContext context)
    {
        var id = Id();
        var command = new Command("flush", "Wait until all acknowledged writes of a user are in the database.") { id };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var name = Checked(parsed.GetRequiredValue(id));
            using var cluster = await context.ConnectAsync(parsed, cancellationToken);
            await cluster.User(name).FlushAsync(cancellationToken);
            if (parsed.IsJson())
                context.Terminal.WriteJson(new { Id = name, Flushed = true });
            else
                context.Terminal.WriteLine($"{Text.Printable(name)}: flushed");
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<int> WriteAsync(
        CommandContext context, ParseResult parsed, string id, Func<IUserGrain, Task<WriteReceipt>> write,
        CancellationToken cancellationToken)
    {
        Checked(id);
        using var cluster = await context.ConnectAsync(parsed, cancellationToken);
        var receipt = await write(cluster.User(id));
        if (parsed.IsJson())
            context.Terminal.WriteJson(new { Id = id, receipt.Version, receipt.Durability });
        else
            context.Terminal.WriteLine($"{Text.Printable(id)}: version {receipt.Version}, durability {Text.Of(receipt.Durability)}");
        return ExitCode.Done;
    }

    /// <summary>Checked before connecting, because an invalid id is invalid for any cluster.</summary>
    private static string Checked(string id)
    {
        UserLimits.ValidateId(id);
        return id;
    }
}
