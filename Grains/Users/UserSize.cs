namespace Actors.Users;

/// <summary>Estimates the memory of a user's state in bytes: measured on 64 bits, rounded up.</summary>
internal static class UserSize
{
    // The objects of every user: state, user, times.
    private const int Objects = 256;

    // A dictionary or set with its smallest arrays.
    private const int Collection = 256;

    // A slot in the arrays of a collection, which may be twice as long as their content.
    private const int Slot = 64;

    // A string object: header, length, alignment.
    private const int String = 32;

    private const int Request = 72;

    /// <summary>The size of <paramref name="state"/>; 0 if the user never existed.</summary>
    public static long Of(UserState state)
    {
        if (state.Version == 0) return 0;
        long bytes = Objects;
        foreach (var request in state.Requests) bytes += Request + Of(request.Id);
        if (state.User is not { } user) return bytes;
        bytes += Of(user.Id) + Of(user.DisplayName) + Of(user.Email);
        if (user.Attributes.Count > 0)
        {
            bytes += Collection;
            foreach (var (name, value) in user.Attributes) bytes += Slot + Of(name) + Of(value);
        }

        if (user.Counters.Count > 0)
        {
            bytes += Collection;
            foreach (var name in user.Counters.Keys) bytes += Slot + Of(name);
        }

        if (user.Tags.Count > 0)
        {
            bytes += Collection;
            foreach (var tag in user.Tags) bytes += Slot + Of(tag);
        }

        return bytes;
    }

    private static long Of(string? text) => text is null ? 0 : String + (2 * text.Length);
}
