using System.Text.RegularExpressions;
using Actors.Fixtures;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace Actors.Grains.Tests.Contract;

/// <summary>
/// The folders of <c>Grains/</c> are layers: each uses only those before it, so no cycle can exist. The compiled assembly
/// shows uses in bodies, fields and signatures; the sources show constants and <c>nameof</c>, which the compiler inlines.
/// </summary>
public sealed partial class LayersTests
{
    private const string Prefix = "Actors.";

    private static readonly string[] Layers =
        ["Core", "Redis", "Membership", "WriteBehind", "RateLimiting", "Caching", "Users", "Storage", "Hosting"];

    private static string Sources { get; } = Path.Combine(Repository.Root, "Grains");

    [Fact]
    public void No_type_uses_a_type_of_a_higher_layer()
    {
        using var assembly = AssemblyDefinition.ReadAssembly(typeof(Hosting.ActorsSiloBuilderExtensions).Assembly.Location);
        var uses = assembly.Modules.SelectMany(module => module.GetTypes()).Where(type => LayerOf(type) is not null)
            .SelectMany(type => UsedBy(type).Select(used => (By: Outermost(type), Used: Outermost(used))))
            .Where(use => LayerOf(use.Used) is not null)
            .Distinct().ToList();

        // A trimmed or misread assembly would show no uses.
        Assert.Contains(uses, use => LayerOf(use.By) == "Hosting" && LayerOf(use.Used) == "Core");
        AssertNone(uses.Where(use => IsUpward(LayerOf(use.By)!, LayerOf(use.Used)!))
            .Select(use => $"{use.By.FullName} uses {use.Used.FullName}, which is in a higher layer."));
    }

    [Fact]
    public void Each_type_is_in_a_layer()
    {
        using var assembly = AssemblyDefinition.ReadAssembly(typeof(Hosting.ActorsSiloBuilderExtensions).Assembly.Location);
        AssertNone(assembly.MainModule.Types
            .Where(type => (type.Namespace + ".").StartsWith(Prefix, StringComparison.Ordinal) && LayerOf(type) is null)
            .Select(type => $"{type.FullName} is in no layer."));
    }

    [Fact]
    public void Each_source_has_the_namespace_of_its_folder_and_no_using_of_a_higher_layer()
    {
        AssertNone(Directory.EnumerateFiles(Sources, "*.cs", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Sources, file).Replace('\\', '/'))
            .Where(file => !file.StartsWith("obj/", StringComparison.Ordinal) && !file.StartsWith("bin/", StringComparison.Ordinal))
            .SelectMany(Violations));
    }

    // All of them, each in full: Assert.Empty shows the beginning of the first few.
    private static void AssertNone(IEnumerable<string> violations)
    {
        var all = violations.Distinct().Order(StringComparer.Ordinal).ToList();
        Assert.True(all.Count == 0, string.Join(Environment.NewLine, all));
    }

    private static IEnumerable<string> Violations(string file)
    {
        var source = File.ReadAllText(Path.Combine(Sources, file));
        var layer = file.Split('/')[0];
        if (!Layers.Contains(layer)) yield return $"{file} is in no layer.";
        if (!source.Contains($"\nnamespace {Prefix}{layer};", StringComparison.Ordinal)
            && !source.StartsWith($"namespace {Prefix}{layer};", StringComparison.Ordinal))
        {
            yield return $"{file} must have the namespace {Prefix}{layer}.";
        }

        foreach (Match match in Using().Matches(source))
        {
            if (IsUpward(layer, match.Groups[1].Value)) yield return $"{file} uses {match.Groups[1].Value}, which is a higher layer.";
        }
    }

    private static bool IsUpward(string layer, string used) => Array.IndexOf(Layers, used) > Array.IndexOf(Layers, layer);

    /// <summary>All types that a type refers to, including type arguments.</summary>
    private static IEnumerable<TypeReference> UsedBy(TypeDefinition type) =>
        new[] { type.BaseType }
            .Concat(type.Interfaces.Select(each => each.InterfaceType))
            .Concat(Attributes(type)).Concat(Constraints(type))
            .Concat(type.Fields.SelectMany(field => Attributes(field).Append(field.FieldType)))
            .Concat(type.Properties.SelectMany(property => Attributes(property).Append(property.PropertyType)))
            .Concat(type.Events.SelectMany(each => Attributes(each).Append(each.EventType)))
            .Concat(type.Methods.SelectMany(UsedBy))
            .SelectMany(Parts);

    private static IEnumerable<TypeReference?> UsedBy(MethodDefinition method)
    {
        var signature = Signature(method).Concat(Attributes(method)).Concat(Constraints(method)).Concat(method.Parameters.SelectMany(Attributes))
            .Concat(method.Overrides.SelectMany(Signature));
        return !method.HasBody
            ? signature
            : signature.Concat(method.Body.Variables.Select(variable => variable.VariableType))
                .Concat(method.Body.ExceptionHandlers.Select(handler => handler.CatchType))
                .Concat(method.Body.Instructions.SelectMany(Operand));
    }

    private static IEnumerable<TypeReference?> Operand(Instruction instruction) => instruction.Operand switch
    {
        TypeReference type => [type],
        FieldReference field => [field.DeclaringType, field.FieldType],
        MethodReference method => Signature(method),
        CallSite site => site.Parameters.Select(parameter => parameter.ParameterType).Append(site.ReturnType),
        _ => [],
    };

    private static IEnumerable<TypeReference?> Signature(MethodReference method) =>
        method.Parameters.Select(parameter => parameter.ParameterType).Append(method.ReturnType).Append(method.DeclaringType)
            .Concat(method is GenericInstanceMethod generic ? generic.GenericArguments : []);

    private static IEnumerable<TypeReference?> Attributes(ICustomAttributeProvider provider) =>
        provider.CustomAttributes.SelectMany(attribute => attribute.ConstructorArguments
            .Select(argument => argument.Value as TypeReference).Append(attribute.AttributeType));

    private static IEnumerable<TypeReference?> Constraints(IGenericParameterProvider provider) =>
        provider.GenericParameters.SelectMany(parameter => parameter.Constraints).Select(constraint => constraint.ConstraintType);

    private static IEnumerable<TypeReference> Parts(TypeReference? type) => type switch
    {
        null or GenericParameter => [],
        GenericInstanceType generic => generic.GenericArguments.SelectMany(Parts).Append(generic.ElementType),
        FunctionPointerType pointer => pointer.Parameters.SelectMany(parameter => Parts(parameter.ParameterType)).Concat(Parts(pointer.ReturnType)),
        TypeSpecification of => Parts(of.ElementType),
        _ => [type],
    };

    private static TypeReference Outermost(TypeReference type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    /// <summary>The layer of a type; null for types of other assemblies and types that Orleans generates.</summary>
    private static string? LayerOf(TypeReference type)
    {
        var name = Outermost(type).Namespace;
        return name.StartsWith(Prefix, StringComparison.Ordinal) && Layers.Contains(name[Prefix.Length..]) ? name[Prefix.Length..] : null;
    }

    [GeneratedRegex(@"^(?:global )?using (?:static |\w+ = )?Actors\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex Using();
}
