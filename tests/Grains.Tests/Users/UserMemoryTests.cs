using Actors.Core;
using Actors.Users;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Grains.Tests.Users;

public sealed class UserMemoryTests
{
    private const int Load = 4 * UserLimits.MaxUserBytes;
    private const long Ceiling = 16 * Load;

    private readonly HeapPressure _heap;
    private readonly UserMemory _memory;
    private long _live;

    public UserMemoryTests()
    {
        _heap = new(TimeProvider.System, NullLogger<HeapPressure>.Instance, () => (_live, 100));
        _memory = new(Ceiling, _heap);
    }

    [Fact]
    public void Loads_leave_room_for_users_to_grow()
    {
        for (var i = 0; i < 15; i++) Assert.True(_memory.TryReserveLoad());
        Assert.False(_memory.TryReserveLoad());

        Assert.False(_memory.TryGrow(Load + 1));
        Assert.True(_memory.TryGrow(Load));
        Assert.Equal(Load, _memory.Bytes);
        _memory.ReleaseLoad();
        Assert.True(_memory.TryGrow(Load));
    }

    [Fact]
    public void Reservations_of_loads_do_not_make_it_full()
    {
        for (var i = 0; i < 15; i++) _memory.TryReserveLoad();
        Assert.False(_memory.IsFull);

        _memory.Add(14 * Load);
        Assert.False(_memory.IsFull);
        _memory.Add(1);
        Assert.True(_memory.IsFull);
    }

    [Fact]
    public void Activations_beyond_the_ceiling_may_wait_up_to_17_sixteenths()
    {
        _memory.Enter(Ceiling);
        _memory.Enter(Load);
        Assert.Equal((2, Ceiling + Load), (_memory.Count, _memory.Bytes));
        Assert.True(_memory.MayWait);
        _memory.Enter(1);
        Assert.False(_memory.MayWait);
        _memory.Leave(1);
        Assert.True(_memory.MayWait);
        Assert.Equal(2, _memory.Count);
    }

    [Fact]
    public void Full_heap_has_no_room_whatever_is_counted()
    {
        _live = 85;
        _heap.Look();
        Assert.False(_memory.TryReserveLoad());
        Assert.False(_memory.TryGrow(1));
        Assert.True(_memory.IsFull);
        Assert.Equal(0, _memory.Bytes);
    }
}
