using Actors.Users;

namespace Actors.Grains.Tests.Users;

/// <summary>Every limit at its edge and beyond; each error names the field and the allowed range.</summary>
public sealed class UserValidationTests
{
    public static TheoryData<string> GoodIds =>
    [
        "a", new string('x', 512), new string('é', 256), string.Concat(Enumerable.Repeat("👋", 128)), "{tag}", "}{", "*", "?[a-z]", "a b", " a ", "a\n", "\u200b",
        "\u0001", "../..", "' OR 1=1", "%s", "\uffff",
    ];

    public static TheoryData<string?, string, string> BadIds => new()
    {
        { null, "null", "1 to 512 bytes" },
        { "", "0 bytes", "1 to 512 bytes" },
        { new('x', 513), "513 bytes", "1 to 512 bytes" },
        { new string('é', 256) + "x", "513 bytes", "1 to 512 bytes" },
        { new('x', 10 * 1024), "10240 bytes", "1 to 512 bytes" },
        { "a\0b", "\\u0000", "NUL" },
        { " ", "is blank", "not all of them white space" },
        { "\n", "is blank", "not all of them white space" },
        { "\t \u00a0\u2003\u0085", "is blank", "not all of them white space" },
        { "a\ud83d", "\\ud83d", "well-formed" },
        { "\udc4ba", "\\udc4b", "well-formed" },
    };

    public static TheoryData<string> GoodEmails =>
        ["", "a@b", "a b@c d", "Zoë@例え.jp", new string('x', 318) + "@y", "\"quoted\"@x", "👋@👋"];

    public static TheoryData<string, string> BadEmails => new()
    {
        { "none", "one @" },
        { "@", "one @" },
        { "@b", "one @" },
        { "a@", "one @" },
        { "a@b@c", "one @" },
        { "@@", "one @" },
        { new string('x', 319) + "@y", "320 bytes" },
        { "a@\0", "NUL" },
        { "a@\ud800", "well-formed" },
    };

    [Theory]
    [MemberData(nameof(GoodIds))]
    public void Id_within_the_limits_is_accepted(string id) => UserLimits.ValidateId(id);

    [Theory]
    [MemberData(nameof(BadIds))]
    public void Id_beyond_the_limits_is_rejected(string? id, string value, string allowed) =>
        AssertRefused(() => UserLimits.ValidateId(id), "user id", value, allowed);

    [Fact]
    public void Error_quotes_only_the_beginning_of_the_value()
    {
        var error = Assert.Throws<InvalidUserException>(() => UserLimits.ValidateId(new string('x', 1_000_000)));
        Assert.InRange(error.Message.Length, 1, 300);
    }

    [Theory]
    [MemberData(nameof(GoodEmails))]
    public void Email_within_the_limits_is_accepted(string email) => UserValidation.Check(new UserPatch { Email = email });

    [Theory]
    [MemberData(nameof(BadEmails))]
    public void Email_beyond_the_limits_is_rejected(string email, string allowed) =>
        AssertRefused(() => UserValidation.Check(new UserPatch { Email = email }), "e-mail address", allowed);

    [Fact]
    public void Error_contains_no_control_characters()
    {
        UserPatch[] patches =
        [
            new() { Email = "a\r\nb" },
            new() { DisplayName = "\r\n\0" },
            new() { Attributes = new() { ["a\r\nb"] = "\0" } },
            new() { AddTags = ["\r\n\0"] },
        ];
        Assert.All(patches, patch => Assert.DoesNotContain(
            Assert.Throws<InvalidUserException>(() => UserValidation.Check(patch)).Message, char.IsControl));
    }

    [Fact]
    public void Patch_at_its_limits_is_accepted()
    {
        UserValidation.Check(new UserPatch());
        UserValidation.Check(new UserPatch { DisplayName = new('x', 512), Email = "" });
        UserValidation.Check(new UserPatch { Attributes = new() { [new('n', 128)] = new('v', 4096), ["gone"] = null, ["empty"] = "" } });
        UserValidation.Check(new UserPatch { Increment = new() { [new('n', 128)] = long.MinValue } });
        UserValidation.Check(new UserPatch { AddTags = [new('t', 128)], RemoveTags = [new('u', 128)] });
    }

    [Fact]
    public void Display_name_beyond_its_limit_is_rejected()
    {
        AssertRefused(new UserPatch { DisplayName = new('x', 513) }, "display name", "513 bytes", "up to 512 bytes");
        AssertRefused(new UserPatch { DisplayName = "\0" }, "display name", "NUL");
        AssertRefused(new UserPatch { DisplayName = "\ud800" }, "display name", "well-formed");
    }

    [Fact]
    public void Names_beyond_their_limit_are_rejected()
    {
        AssertRefused(new UserPatch { Attributes = new() { [""] = "v" } }, "attribute", "0 bytes", "1 to 128 bytes");
        AssertRefused(new UserPatch { Attributes = new() { [new('n', 129)] = null } }, "attribute", "129 bytes", "1 to 128 bytes");
        AssertRefused(new UserPatch { Attributes = new() { ["n"] = new('v', 4097) } }, "'n'", "4097 bytes", "up to 4096 bytes");
        AssertRefused(new UserPatch { Attributes = new() { ["n"] = "\0" } }, "'n'", "NUL");
        AssertRefused(new UserPatch { Increment = new() { [""] = 1 } }, "counter", "0 bytes", "1 to 128 bytes");
        AssertRefused(new UserPatch { Increment = new() { [new('n', 129)] = 1 } }, "counter", "129 bytes", "1 to 128 bytes");
        AssertRefused(new UserPatch { AddTags = [""] }, "tag", "0 bytes", "1 to 128 bytes");
        AssertRefused(new UserPatch { RemoveTags = [new('t', 129)] }, "tag", "129 bytes", "1 to 128 bytes");
        AssertRefused(new UserPatch { AddTags = [null!] }, "tag", "null", "1 to 128 bytes");
        AssertRefused(new UserPatch { RemoveTags = [null!] }, "tag", "null", "1 to 128 bytes");
    }

    [Fact]
    public void Missing_patch_is_rejected() => AssertRefused(() => UserValidation.Check((UserPatch)null!), "patch", "null");

    [Fact]
    public void Counts_of_a_whole_user_are_limited()
    {
        var full = Sized(256);
        UserValidation.Check(full);
        AssertRefused(() => UserValidation.Check(full with { Attributes = Sized(257).Attributes }), "257 attributes", "at most 256");
        AssertRefused(() => UserValidation.Check(full with { Counters = Sized(257).Counters }), "257 counters", "at most 256");
        AssertRefused(() => UserValidation.Check(full with { Tags = Sized(257).Tags }), "257 tags", "at most 256");
    }

    [Fact]
    public void Size_of_a_whole_user_is_limited()
    {
        UserValidation.CheckSize(65_536);
        AssertRefused(() => UserValidation.CheckSize(65_537), "65537 bytes", "65536");
    }

    [Fact]
    public void Write_options_are_limited()
    {
        UserValidation.Check(WriteOptions.Default);
        UserValidation.Check(new WriteOptions { ExpectedVersion = 0, RequestId = new('r', 64), Durability = Durability.Database });
        UserValidation.Check(new WriteOptions { ExpectedVersion = long.MaxValue, RequestId = "r" });
        AssertRefused(new WriteOptions { ExpectedVersion = -1 }, "-1", "0 (no such user) or more");
        AssertRefused(new WriteOptions { RequestId = "" }, "request id", "0 bytes", "1 to 64 bytes");
        AssertRefused(new WriteOptions { RequestId = new('r', 65) }, "request id", "65 bytes", "1 to 64 bytes");
        AssertRefused(new WriteOptions { RequestId = "\0" }, "request id", "NUL");
        AssertRefused(new WriteOptions { Durability = (Durability)3 }, "3", "Memory, Journal, Database");
        AssertRefused(new WriteOptions { Durability = (Durability)(-1) }, "-1", "Memory, Journal, Database");
    }

    private static User Sized(int count) => new()
    {
        Id = "id",
        Version = 1,
        Attributes = Enumerable.Range(0, count).ToDictionary(i => $"{i}", i => $"{i}"),
        Counters = Enumerable.Range(0, count).ToDictionary(i => $"{i}", i => (long)i),
        Tags = Enumerable.Range(0, count).Select(i => $"{i}").ToHashSet(),
        CreatedAt = default,
        UpdatedAt = default,
    };

    private static void AssertRefused(UserPatch patch, params string[] said) => AssertRefused(() => UserValidation.Check(patch), said);

    private static void AssertRefused(WriteOptions options, params string[] said) => AssertRefused(() => UserValidation.Check(options), said);

    private static void AssertRefused(Action check, params string[] said)
    {
        var error = Assert.Throws<InvalidUserException>(check);
        Assert.All(said, part => Assert.Contains(part, error.Message, StringComparison.Ordinal));
    }
}
