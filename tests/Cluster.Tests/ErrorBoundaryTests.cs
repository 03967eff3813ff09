using System.Runtime.CompilerServices;
using Actors.Fixtures;
using Actors.Hosting;
using Actors.Redis;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orleans.Persistence.Redis;
using Orleans.Serialization;
using StackExchange.Redis;

namespace Actors.Cluster.Tests;

/// <summary>Callers of a grain get a contract error whatever is thrown below it.</summary>
public sealed class ErrorBoundaryTests(ServersFixture servers) : IClassFixture<ServersFixture>
{
    [Fact]
    public async Task Grains_throw_only_contract_errors()
    {
        var errors = All();
        Assert.InRange(errors.Count, 50, 500);
        await using var cluster = await TestCluster.StartAsync(
            servers, silos: 1, services: services => services.AddSingleton<IIncomingGrainCallFilter>(new Thrower(errors)));

        var wrong = new List<string>();
        for (var number = 0; number < errors.Count; number++)
        {
            var user = cluster.User($"thrown-{number}");
            var read = await Record.ExceptionAsync(() => user.GetAsync());
            var write = await Record.ExceptionAsync(() => user.UpdateAsync(new() { DisplayName = "x" }));
            if (read is not ActorsException || write is not ActorsException || MayHaveTakenEffect(read) || read.InnerException is not null)
                wrong.Add($"{errors[number].GetType()}: {read?.GetType()} and {write?.GetType()}");
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("-time")]
    [InlineData("-eval", "-evalsha")]
    [InlineData("resetkeys", "~other:*")]
    public async Task Writes_go_to_the_database_when_Redis_revokes_a_right(params string[] rights)
    {
        await using var redis = await RedisServer.StartNewAsync();
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1, redis: redis);
        var (old, cold) = (cluster.User("old"), cluster.User("cold"));
        Assert.Equal(Durability.Journal, (await old.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).Durability);
        await using (var admin = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString))
            await admin.GetDatabase().ExecuteAsync("ACL", ["SETUSER", "default", .. rights]);

        // All roles use this Redis, so a missing right affects each of them.
        Assert.Equal(RateLimitSource.Local, (await cluster.Limiter("limited").AcquireAsync(RateLimitRequest.Default)).Source);
        Assert.Equal(Durability.Database, (await old.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).Durability);
        Assert.Equal(Durability.Database, (await cold.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).Durability);
        Assert.Equal(2, (await old.GetAsync())!.Counters["n"]);
    }

    [Theory]
    [MemberData(nameof(Effects))]
    public void Error_says_whether_the_call_may_have_taken_effect(Exception error, string storage, bool mayHaveTakenEffect)
    {
        var typed = ErrorBoundary.ToContract(error, "UpdateAsync of user/a", isRead: false);
        Assert.Equal(storage, (typed as StorageUnavailableException)?.Storage ?? "");
        Assert.Equal(mayHaveTakenEffect, MayHaveTakenEffect(typed));
        Assert.False(MayHaveTakenEffect(ErrorBoundary.ToContract(error, "GetAsync of user/a", isRead: true)));
    }

    public static TheoryData<Exception, string, bool> Effects => new()
    {
        { new RedisUnavailableException(RedisRole.Journal, "open", mayHaveHappened: false), "Redis", false },
        { new RedisUnavailableException(RedisRole.Journal, "no answer", mayHaveHappened: true), "Redis", true },
        { new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, "NOPERM this user has no permissions to run the 'eval' command"), "Redis", false },
        { new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, "ERR Error running script"), "Redis", true },
        { new RedisConnectionException(ConnectionFailureType.SocketFailure, CommandFlags.None, "lost"), "Redis", true },
        { new RedisTimeoutException(CommandFlags.None, "late", CommandStatus.WaitingToBeSent), "Redis", false },
        { new RedisTimeoutException(CommandFlags.None, "late", CommandStatus.Sent), "Redis", true },
        { new PostgresException("permission denied", "ERROR", "ERROR", "42501"), "the database", false },
        { new NpgsqlException("the connection broke"), "the database", true },
        { new TimeoutException(), "another silo", true },
        { new SiloUnavailableException(), "another silo", true },
        { Make(typeof(OutOfMemoryException)), "memory", true },
        { Make(typeof(NullReferenceException)), "", true },
    };

    private static bool MayHaveTakenEffect(Exception error) => error switch
    {
        StorageUnavailableException unavailable => unavailable.MayHaveTakenEffect,
        UnexpectedErrorException unexpected => unexpected.MayHaveTakenEffect,
        _ => false,
    };

    // The errors of the libraries below the grains, of this library, and of the framework.
    private static List<Exception> All()
    {
        Type[] roots =
        [
            typeof(RedisException), typeof(NpgsqlException), typeof(RedisStorageException), typeof(OrleansException), typeof(SiloUnavailableException),
            typeof(SerializerException), typeof(PlacementStrategy), typeof(Grain), typeof(RedisUnavailableException),
        ];
        var types = roots.Select(root => root.Assembly).Distinct().SelectMany(assembly => assembly.GetTypes())
            .Where(type => type.IsSubclassOf(typeof(Exception)) && !type.IsAbstract && !type.ContainsGenericParameters && !type.IsSubclassOf(typeof(ActorsException)))
            .Concat([
                typeof(TimeoutException), typeof(IOException), typeof(System.Net.Sockets.SocketException), typeof(ObjectDisposedException),
                typeof(InvalidOperationException), typeof(InvalidCastException), typeof(NullReferenceException), typeof(TaskCanceledException),
                typeof(KeyNotFoundException), typeof(ConnectionAbortedException), typeof(AggregateException), typeof(OutOfMemoryException),
            ]);
        return [.. types.Distinct().Select(Make)];
    }

    private static Exception Make(Type type)
    {
        foreach (var arguments in (object[][])[["a message"], ["a message", null!], []])
        {
            try
            {
                return (Exception)Activator.CreateInstance(type, arguments)!;
            }
            catch (Exception)
            {
                // The type has no such constructor.
            }
        }

        return (Exception)RuntimeHelpers.GetUninitializedObject(type);
    }

    /// <summary>Replaces the grain's code below the boundary: throws the error that the user's id names.</summary>
    private sealed class Thrower(List<Exception> errors) : IIncomingGrainCallFilter
    {
        public Task Invoke(IIncomingGrainCallContext context)
        {
            var id = context.TargetId.Key.ToString()!;
            return context.Grain is IUserGrain && id.StartsWith("thrown-", StringComparison.Ordinal)
                ? Task.FromException(errors[int.Parse(id[7..], System.Globalization.CultureInfo.InvariantCulture)])
                : context.Invoke();
        }
    }
}
