using Actors.Contracts;
using Actors.Core;
using Actors.Users;
using Actors.WriteBehind;

namespace Actors.Grains.Tests.Users;

public sealed class OwnedUserTests
{
    private static readonly UserState First = UserState.None.Apply("id", new(), null, AnyUser.Start);
    private static readonly UserState Second = First.Apply("id", new(), null, AnyUser.Start);

    [Fact]
    public void Readers_see_the_latest_acknowledged_write_whatever_the_order()
    {
        var user = Open();
        user.Accept(First);
        user.Accept(Second);
        Assert.Equal((UserState.None, Second), (user.Acknowledged, user.Accepted));

        user.Acknowledge(Second, isJournaled: false);
        user.Acknowledge(First, isJournaled: true);

        Assert.Equal((Second, 1), (user.Acknowledged, user.Journaled));
    }

    [Fact]
    public void Nothing_is_acknowledged_once_the_ownership_has_ended()
    {
        var user = Open();
        user.Accept(First);
        user.End();

        user.Acknowledge(First, isJournaled: true);

        Assert.False(user.IsCurrent);

        // A write that still begins under it must not bypass the journal.
        Assert.True(user.Owner.IsLost);
        Assert.Equal((UserState.None, 0), (user.Acknowledged, user.Journaled));
    }

    [Fact]
    public void Version_is_answered_once_it_is_acknowledged_and_the_journal_has_answered()
    {
        var user = Open();
        user.Accept(First);
        user.Acknowledge(First, isJournaled: false);
        Assert.True(user.IsAnswered(0));
        Assert.False(user.IsAnswered(1));

        user.Answer(1, wasAwaited: false);

        Assert.True(user.IsAnswered(1));
    }

    [Fact]
    public void Writes_acknowledged_at_once_do_not_count_as_unanswered()
    {
        var user = Open();
        user.AwaitAnswer();
        user.Answer(1, wasAwaited: false);
        Assert.False(user.AreAllAnswered);

        user.Answer(2, wasAwaited: true);

        Assert.True(user.AreAllAnswered);
        user.Acknowledge(Second, isJournaled: false);
        Assert.True(user.IsAnswered(2));
    }

    [Fact]
    public void Reads_without_a_turn_see_what_is_acknowledged_while_the_ownership_lasts()
    {
        var user = Open();
        Assert.Null(user.Published);
        user.Accept(First);
        Assert.Null(user.Published);

        user.Acknowledge(First, isJournaled: true);
        Assert.Same(First.User, user.Published);
        user.Accept(Second);
        Assert.Same(First.User, user.Published);
        user.Acknowledge(Second, isJournaled: true);
        Assert.Same(Second.User, user.Published);

        // As the journal does when it refuses a row, before the turn that ends the ownership.
        user.Owner.Lose();
        Assert.Null(user.Published);
        user.End();
        Assert.Null(user.Published);
    }

    [Fact]
    public void Users_that_were_loaded_without_the_journal_are_read_in_turns_only()
    {
        var row = UserDocument.ToRow(new Ownership("id", 1), First);
        Assert.NotNull(Open(row).Published);
        Assert.Null(Open(row, Ownership.WithoutJournal("id")).Published);
        Assert.Null(Open(row, isPossiblyStale: true).Published);
    }

    private static OwnedUser Open(Row? row = null, Ownership? owner = null, bool isPossiblyStale = false) =>
        new(new OpenedRow(owner ?? new("id", 1), row, isPossiblyStale, Task.CompletedTask));
}
