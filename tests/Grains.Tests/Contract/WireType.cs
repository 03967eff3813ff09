using System.Globalization;
using System.Reflection;
using System.Text;

namespace Actors.Grains.Tests.Contract;

/// <summary>A contract type on the wire: its alias, and its members by id.</summary>
internal sealed class WireType
{
    private WireType(Type type)
    {
        Type = type;
        Aliases = [.. type.GetCustomAttributes<AliasAttribute>(inherit: false).Select(alias => alias.Alias)];
        Members = [.. type
            .GetMembers(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Where(member => member.GetCustomAttribute<IdAttribute>() is not null)
            .OrderBy(IdOf)];
    }

    public static IReadOnlyList<WireType> All { get; } = [.. typeof(User).Assembly.GetTypes()
        .Where(type => type.GetCustomAttribute<GenerateSerializerAttribute>(inherit: false) is not null)
        .Select(type => new WireType(type))
        .OrderBy(type => type.Type.FullName, StringComparer.Ordinal)];

    public Type Type { get; }

    public IReadOnlyList<string> Aliases { get; }

    public IReadOnlyList<MemberInfo> Members { get; }

    public static uint IdOf(MemberInfo member) => member.GetCustomAttribute<IdAttribute>()!.Id;

    public static object? ValueOf(MemberInfo member, object instance) => member switch
    {
        PropertyInfo property => property.GetValue(instance),
        FieldInfo field => field.GetValue(instance),
        _ => throw new NotSupportedException($"{member} has an id but no value."),
    };

    /// <summary>All types in the format of the checked-in file.</summary>
    public static string DescribeAll() => string.Join('\n', All.Select(type => type.Describe()));

    private string Describe()
    {
        var text = new StringBuilder();
        var kind = Type.IsEnum ? $"enum of {Enum.GetUnderlyingType(Type)}" : Type.IsValueType ? "struct" : "class";
        var parent = Type.BaseType is { } type && type != typeof(object) && !Type.IsValueType ? $" : {type}" : "";
        text.Append(CultureInfo.InvariantCulture, $"{kind} \"{string.Join(", ", Aliases)}\" {Type}{parent}\n");
        if (Type.IsEnum)
        {
            foreach (var value in Enum.GetValues(Type))
                text.Append(CultureInfo.InvariantCulture, $"  {value} = {Convert.ToInt64(value, CultureInfo.InvariantCulture)}\n");
        }

        foreach (var member in Members)
        {
            var held = member is PropertyInfo property ? property.PropertyType : ((FieldInfo)member).FieldType;
            text.Append(CultureInfo.InvariantCulture, $"  {IdOf(member)}: {held} {member.Name}\n");
        }

        return text.ToString();
    }
}
