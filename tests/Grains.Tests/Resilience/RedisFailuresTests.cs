using Actors.Redis;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Which errors are an outage, and which are a response.</summary>
public sealed class RedisFailuresTests
{
    [Theory]
    [InlineData("LOADING Redis is loading the dataset in memory")]
    [InlineData("READONLY You can't write against a read only replica.")]
    [InlineData("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")]
    [InlineData("CLUSTERDOWN The cluster is down")]
    [InlineData("OOM command not allowed when used memory > 'maxmemory'.")]
    [InlineData("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.")]
    [InlineData("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")]
    [InlineData("NOREPLICAS Not enough good replicas to write.")]
    [InlineData("ERR Error running script (call to f_7cd0): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.")]
    [InlineData("ERR Error running script (call to f_7cd0): @user_script:3: @user_script: 3: -OOM command not allowed when used memory > 'maxmemory'.")]
    [InlineData("ERR Error running script (call to f_7cd0): @user_script:3: -NOREPLICAS Not enough good replicas to write.")]
    [InlineData("TRYAGAIN Multiple keys request during rehashing of slot")]
    public void Unusable_server_is_an_outage_without_effect(string message)
    {
        var error = Answer(message);
        Assert.True(RedisFailures.IsUnavailability(error));
        Assert.False(RedisFailures.Unavailable(RedisRole.Cache, error).MayHaveHappened);
    }

    [Theory]
    [InlineData("ERR user_script:1: Script attempted to access nonexistent global variable 'x'")]
    [InlineData("WRONGTYPE Operation against a key holding the wrong kind of value")]
    [InlineData("NOSCRIPT No matching script. Please use EVAL.")]
    [InlineData("BUSYGROUP Consumer Group name already exists")]
    [InlineData("BUSYKEY Target key name already exists.")]
    [InlineData("ERR Error running script (call to f_7cd0): @user_script:1: WRONGTYPE Operation against a key holding the wrong kind of value")]
    [InlineData("ERR Error compiling script (new function): user_script:1: unexpected symbol near '-READONLY'")]
    [InlineData("LOADINGS is not LOADING")]
    [InlineData("")]
    public void Error_of_the_request_is_not_an_outage(string message)
    {
        Assert.False(RedisFailures.IsUnavailability(Answer(message)));
        Assert.False(RedisFailures.IsStructural(Answer(message)));
    }

    [Theory]
    [InlineData("NOPERM this user has no permissions to run the 'eval' command", false)]
    [InlineData("NOPERM User default has no permissions to access one of the keys used as arguments", false)]
    [InlineData("NOAUTH Authentication required.", false)]
    [InlineData("WRONGPASS invalid username-password pair or user is disabled.", false)]
    [InlineData("ERR unknown command 'EVAL', with args beginning with: ", true)]
    [InlineData("ERR ACL failure in script: User default has no permissions to run the 'time' command script: 7cd0, on @user_script:1.", true)]
    [InlineData("ERR Error running script (call to f_7cd0): @user_script:1: -NOPERM The user executing the script can't run this command or subcommand", true)]
    [InlineData("ERR Unknown Redis command called from script script: 7cd0, on @user_script:1.", true)]
    public void Missing_right_or_command_is_a_permanent_outage(string message, bool mayHaveHappened)
    {
        var error = Answer(message);
        Assert.True(RedisFailures.IsStructural(error));
        Assert.True(RedisFailures.IsUnavailability(error));
        Assert.Equal(mayHaveHappened, RedisFailures.Unavailable(RedisRole.Cache, error).MayHaveHappened);
    }

    [Fact]
    public void Abandoned_call_is_an_outage_with_unknown_effect()
    {
        foreach (var error in new Exception[] { new TimeoutException(), new OperationCanceledException(), new TaskCanceledException() })
        {
            Assert.True(RedisFailures.IsUnavailability(error));
            Assert.True(RedisFailures.Unavailable(RedisRole.Cache, error).MayHaveHappened);
        }
    }

    [Fact]
    public void Defect_in_our_code_is_not_an_outage() => Assert.False(RedisFailures.IsUnavailability(new ArgumentException("")));

    private static RedisServerException Answer(string message) => new(RedisErrorKind.Unknown, CommandFlags.None, message);
}
