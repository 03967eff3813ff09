using System.Reflection;
using System.Runtime.CompilerServices;

namespace Actors.Grains.Tests.Contract;

/// <summary>
/// The wire format that clients of other versions use. Orleans' analyzer keeps the methods of the grain interfaces
/// (OrleansContracts.txt); this keeps their types.
/// </summary>
public sealed class WireTypesTests
{
    private const string Accept = "ACTORS_ACCEPT_WIRE_TYPES";

    [Fact]
    public async Task Wire_types_match_the_checked_in_list()
    {
        var actual = WireType.DescribeAll();
        if (Environment.GetEnvironmentVariable(Accept) == "1") await File.WriteAllTextAsync(SourceFile(), actual);
        var expected = (await File.ReadAllTextAsync(
            Environment.GetEnvironmentVariable(Accept) == "1" ? SourceFile() : Path.Combine(AppContext.BaseDirectory, "Contract", "WireTypes.txt")))
            .ReplaceLineEndings("\n");

        var removed = expected.Split('\n').Except(actual.Split('\n')).Select(line => $"  - {line}");
        var added = actual.Split('\n').Except(expected.Split('\n')).Select(line => $"  + {line}");
        Assert.True(
            expected == actual,
            $"""
            The types that client apps and silos send to each other have changed:
            {string.Join('\n', removed.Concat(added))}
            Clients and silos of the version before are still running while a cluster is upgraded. Taking away or renumbering a
            member, changing its type, or changing an alias or the value of an enum breaks them: undo it. Adding a type, or a
            member under a new id, is safe; then accept it by running this test once with {Accept}=1, which rewrites
            tests/Grains.Tests/Contract/WireTypes.txt, and review the difference.
            """);
    }

    [Fact]
    public void Every_type_has_one_unique_alias()
    {
        Assert.NotEmpty(WireType.All);
        Assert.All(WireType.All, type => Assert.StartsWith("Actors.", Assert.Single(type.Aliases), StringComparison.Ordinal));
        Assert.All(WireType.All.GroupBy(type => type.Aliases[0]), group => Assert.Single(group));
    }

    [Fact]
    public void No_two_members_of_a_type_share_an_id() =>
        Assert.All(WireType.All, type => Assert.All(type.Members.GroupBy(WireType.IdOf), group => Assert.Single(group)));

    [Fact]
    public void Every_stored_property_has_an_id()
    {
        // A member without an id is silently not sent.
        foreach (var type in WireType.All.Where(type => !type.Type.IsEnum))
        {
            var stored = type.Type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
                .Select(field => field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name);
            Assert.Equal(stored.Order(), type.Members.Select(member => member.Name).Order());
        }
    }

    [Fact]
    public void Every_type_in_a_grain_interface_can_be_serialized()
    {
        var sent = typeof(User).Assembly.GetExportedTypes()
            .Where(type => type.IsInterface && type.IsAssignableTo(typeof(IAddressable)))
            .SelectMany(type => type.GetMethods())
            .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
            .SelectMany(type => type.IsGenericType ? type.GetGenericArguments() : [type])
            .Select(type => type.GetElementType() ?? type)
            .Where(type => type.Assembly == typeof(User).Assembly && !type.IsInterface);
        Assert.Empty(sent.Except(WireType.All.Select(type => type.Type)));
    }

    private static string SourceFile([CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "WireTypes.txt");
}
