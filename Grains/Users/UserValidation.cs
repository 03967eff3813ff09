namespace Actors.Users;

/// <summary>Validates a caller's input against <see cref="UserLimits"/>, before anything is changed.</summary>
internal static class UserValidation
{
    public static void Check(WriteOptions options)
    {
        if (!Enum.IsDefined(options.Durability))
        {
            throw new InvalidUserException(
                $"Durability {(int)options.Durability} is unknown; use {string.Join(", ", Enum.GetNames<Durability>())}.");
        }

        if (options.ExpectedVersion < 0)
            throw new InvalidUserException($"The expected version is {options.ExpectedVersion}; use 0 (no such user) or more.");
        if (options.RequestId is not null) UserLimits.ValidateText("The request id", options.RequestId, 1, UserLimits.MaxRequestIdBytes);
    }

    public static void Check(UserPatch patch)
    {
        if (patch is null) throw new InvalidUserException("The patch is null; to change nothing, send an empty one.");
        UserLimits.ValidateText("The display name", patch.DisplayName ?? "", 0, UserLimits.MaxDisplayNameBytes);
        CheckEmail(patch.Email);
        if (patch.Attributes is { } attributes)
        {
            foreach (var (name, value) in attributes)
            {
                UserLimits.ValidateText("The name of an attribute", name, 1, UserLimits.MaxNameBytes);
                UserLimits.ValidateText("The value of attribute", value ?? "", 0, UserLimits.MaxAttributeValueBytes, name);
            }
        }

        if (patch.Increment is { } increment)
        {
            foreach (var name in increment.Keys) UserLimits.ValidateText("The name of a counter", name, 1, UserLimits.MaxNameBytes);
        }

        CheckTags(patch.AddTags);
        CheckTags(patch.RemoveTags);
    }

    /// <summary>Checks the size of the resulting user, which no single patch shows.</summary>
    public static void Check(User user)
    {
        CheckCount("attributes", user.Attributes.Count, UserLimits.MaxAttributes);
        CheckCount("counters", user.Counters.Count, UserLimits.MaxCounters);
        CheckCount("tags", user.Tags.Count, UserLimits.MaxTags);
    }

    public static void CheckSize(int bytes)
    {
        if (bytes > UserLimits.MaxUserBytes)
            throw new InvalidUserException($"The user would take {bytes} bytes; at most {UserLimits.MaxUserBytes} are allowed.");
    }

    private static void CheckEmail(string? email)
    {
        if (string.IsNullOrEmpty(email)) return;
        UserLimits.ValidateText("The e-mail address", email, 1, UserLimits.MaxEmailBytes);
        var at = email.IndexOf('@', StringComparison.Ordinal);
        if (at <= 0 || at == email.Length - 1 || email.IndexOf('@', at + 1) >= 0)
            throw new InvalidUserException($"{WellFormedText.Quote(email)} is not a valid e-mail address: use exactly one @, not first or last.");
    }

    private static void CheckTags(HashSet<string>? tags)
    {
        if (tags is null) return;
        foreach (var tag in tags) UserLimits.ValidateText("A tag", tag, 1, UserLimits.MaxNameBytes);
    }

    private static void CheckCount(string what, int count, int limit)
    {
        if (count > limit) throw new InvalidUserException($"The user would have {count} {what}; at most {limit} are allowed.");
    }
}
