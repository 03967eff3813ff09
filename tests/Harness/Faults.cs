using Actors.Fixtures;

namespace Actors.Harness;

/// <summary>The known faults.</summary>
public static class Faults
{
    private static readonly TimeSpan SlowBy = TimeSpan.FromMilliseconds(150);

    // Slightly more than Redis may lose by itself: it syncs its log every second.
    private static readonly TimeSpan LostTail = TimeSpan.FromSeconds(2);

    /// <summary>All faults.</summary>
    public static IReadOnlyList<Fault> All { get; } =
    [
        new("silo-kill", FaultPart.Silo, Losses.SiloMemory, "kill -9 of a silo; later a new one in its place",
            async (deployment, silo) =>
            {
                await deployment.Silo(silo).KillAsync();
                return () => deployment.RestartSiloAsync(silo);
            }),

        // During the pause the others declare it dead; it exits as soon as it learns that, and its memory is lost.
        new("silo-pause", FaultPart.Silo, Losses.SiloMemory, "SIGSTOP of a silo; later SIGCONT",
            (deployment, silo) =>
            {
                var process = deployment.Silo(silo);
                process.Signal(Signals.Stop);
                return Ends(() => process.Signal(Signals.Continue));
            }),
        new("silo-stop", FaultPart.Silo, Losses.SiloMemory, "a graceful stop of a silo; later a new one in its place",
            async (deployment, silo) =>
            {
                await deployment.Silo(silo).StopAsync();
                return () => deployment.RestartSiloAsync(silo);
            }),
        new("silo-add", FaultPart.Silo, Losses.SiloMemory, "one silo is added; later it stops gracefully",
            async (deployment, _) =>
            {
                var added = await deployment.AddPlaceAsync(isPersistent: true);
                return () => deployment.RemoveSiloAsync(added);
            }),

        new("redis-kill", FaultPart.Redis, Losses.JournalTail, "kill -9 of Redis; later a start with its data",
            async (deployment, _) =>
            {
                await deployment.Redis.KillAsync();
                return () => deployment.Redis.StartAsync();
            }),
        new("redis-lose-tail", FaultPart.Redis, Losses.JournalTail, "kill -9 of Redis; later a start without its last 2 s of writes",
            async (deployment, _) =>
            {
                var end = deployment.Redis.LogEnd();
                await Task.Delay(LostTail);
                await deployment.Redis.KillAsync();
                deployment.Redis.CutLog(end);
                return () => deployment.Redis.StartAsync();
            }),
        new("redis-pause", FaultPart.Redis, Losses.None, "SIGSTOP of Redis; later SIGCONT",
            (deployment, _) =>
            {
                deployment.Redis.Signal(Signals.Stop);
                return Ends(() => deployment.Redis.Signal(Signals.Continue));
            }),
        new("redis-empty", FaultPart.Redis, Losses.Journal, "FLUSHALL",
            async (deployment, _) =>
            {
                await RedisCommands.SendAsync(deployment.Redis.Port, "FLUSHALL");
                return () => Task.CompletedTask;
            }),
        new("redis-restart-empty", FaultPart.Redis, Losses.Journal, "kill -9 of Redis; later a start without any data",
            async (deployment, _) =>
            {
                await deployment.Redis.KillAsync();
                deployment.Redis.DeleteData();
                return () => deployment.Redis.StartAsync();
            }),

        // Silent at first; then every response is BUSY, which is a response without a use.
        new("redis-busy", FaultPart.Redis, Losses.None, "a foreign script that does not end; later it is killed",
            async (deployment, _) =>
            {
                await RedisCommands.SendAsync(deployment.Redis.Port, "CONFIG SET lua-time-limit 500");
                var busy = await RedisCommands.BeginAsync(deployment.Redis.Port, "EVAL \"while true do end\" 0");
                return async () =>
                {
                    await RedisCommands.SendAsync(deployment.Redis.Port, "SCRIPT KILL");
                    busy.Dispose();
                };
            }),

        new("redis-cut-one-silo", FaultPart.RedisLink, Losses.None, "one silo's connections to Redis are reset and refused",
            (deployment, silo) => OfLinks(deployment.Links(silo).All, link => link.Cut())),
        new("redis-cut-one-journal", FaultPart.RedisLink, Losses.None, "like redis-cut-one-silo, for the journal only",
            (deployment, silo) => OfLinks([deployment.Links(silo).Journal], link => link.Cut())),
        new("redis-stall-one-silo", FaultPart.RedisLink, Losses.None, "one silo's connections to Redis stay open but forward nothing",
            (deployment, silo) => OfLinks(deployment.Links(silo).All, link => link.Stall())),
        new("redis-slow-one-silo", FaultPart.RedisLink, Losses.None, "one silo's round trip to Redis takes 300 ms longer",
            (deployment, silo) => OfLinks(deployment.Links(silo).All, link => link.Slow(SlowBy))),

        new("postgres-kill", FaultPart.Postgres, Losses.None, "kill -9 of PostgreSQL; later a start with its data",
            async (deployment, _) =>
            {
                await deployment.Postgres.KillAsync();
                return () => deployment.Postgres.StartAsync();
            }),
        new("postgres-pause", FaultPart.Postgres, Losses.None, "SIGSTOP of PostgreSQL and all its sessions; later SIGCONT",
            (deployment, _) =>
            {
                deployment.Postgres.SignalAll(Signals.Stop);
                return Ends(() => deployment.Postgres.SignalAll(Signals.Continue));
            }),
        new("postgres-slow", FaultPart.Postgres, Losses.None, "each write to PostgreSQL takes a second longer, as on a busy disk",
            async (deployment, _) =>
            {
                await deployment.ExecuteAsync(SlowTable.Begin);
                return () => deployment.ExecuteAsync(SlowTable.End);
            }),
        new("postgres-stop", FaultPart.Postgres, Losses.None, "a stop of PostgreSQL that ends all sessions; later a start",
            async (deployment, _) =>
            {
                await deployment.Postgres.StopAsync();
                return () => deployment.Postgres.StartAsync();
            }),
    ];

    /// <summary>The fault of that name.</summary>
    /// <exception cref="ArgumentException">The name is unknown; the message lists the known names.</exception>
    public static Fault Find(string name) => All.FirstOrDefault(fault => fault.Name == name)
        ?? throw new ArgumentException($"Unknown fault '{name}'. Faults: {string.Join(", ", All)}.", nameof(name));

    private static Task<Func<Task>> Ends(Action end) => Task.FromResult(() =>
    {
        end();
        return Task.CompletedTask;
    });

    private static Task<Func<Task>> OfLinks(IReadOnlyList<TcpProxy> links, Action<TcpProxy> begin)
    {
        foreach (var link in links) begin(link);
        return Ends(() =>
        {
            foreach (var link in links) link.Mend();
        });
    }
}
