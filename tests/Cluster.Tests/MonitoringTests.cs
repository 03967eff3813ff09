using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using Actors.Core;
using Actors.Fixtures;
using YamlDotNet.RepresentationModel;

namespace Actors.Cluster.Tests;

/// <summary>Alerts, dashboard and the metrics page refer only to metrics that silos export.</summary>
public sealed partial class MonitoringTests(ServersFixture servers)
{
    // The labels that Prometheus adds, and those of the alerts.
    private static readonly string[] OtherLabels = ["instance", "job", "le"];

    [Fact]
    public async Task Alerts_dashboard_and_documentation_use_existing_metrics_and_labels()
    {
        HashSet<string> metrics;
        await using (await TestCluster.StartAsync(servers)) metrics = ExportedMetrics();

        // These silos keep their membership in memory.
        metrics.Add("actors_membership_repairs_total");
        var labels = typeof(ActorsTelemetry).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(field => field.Name.EndsWith("Tag", StringComparison.Ordinal))
            .Select(field => (string)field.GetRawConstantValue()!).Concat(OtherLabels).ToHashSet(StringComparer.Ordinal);

        var expressions = Alerts().Select(alert => (Where: alert.Name, Text: alert.Expression))
            .Concat(Panels().Select(panel => (Where: panel.Title, Text: panel.Expression))).ToArray();
        Assert.All(expressions, each =>
        {
            var named = MetricName().Matches(each.Text).Select(match => match.Value).ToArray();
            Assert.True(named.Length > 0 || each.Text.Contains("up{", StringComparison.Ordinal), $"{each.Where}: {each.Text} does not use an actors metric");
            Assert.All(named, name => Assert.True(metrics.Contains(name), $"{each.Where}: {name}is not a metric of a silo"));
            var used = Grouping().Matches(each.Text).SelectMany(match => match.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries))
                .Concat(Selector().Matches(each.Text).Select(match => match.Groups[1].Value));
            Assert.All(used, label => Assert.True(labels.Contains(label), $"{each.Where}: {label}is not a label of a silo's metrics"));
        });

        var documented = MetricName().Matches(Section("docs/operating.md", "## Metrics")).Select(match => match.Value).ToHashSet(StringComparer.Ordinal);
        Assert.All(documented, name => Assert.True(metrics.Contains(name), $"docs/operating.md: {name}is not a metric of a silo"));
        var known = metrics.Where(name => !name.EndsWith("_bucket", StringComparison.Ordinal) && !name.EndsWith("_sum", StringComparison.Ordinal)
            && !name.EndsWith("_count", StringComparison.Ordinal));
        Assert.All(known, name => Assert.True(documented.Contains(name), $"docs/operating.md does not document {name}"));
    }

    [Fact]
    public void Alerts_fire_for_missing_silos_and_each_is_documented()
    {
        var alerts = Alerts().ToArray();
        Assert.Contains(alerts, alert => Regex.IsMatch(alert.Expression, @"^up\{[^}]*\} == 0$"));
        Assert.Contains(alerts, alert => alert.Expression.StartsWith("absent(", StringComparison.Ordinal));
        Assert.Distinct(alerts.Select(alert => alert.Name));
        var documented = Section("docs/operating.md", "## Metrics");
        Assert.All(alerts, alert => Assert.Contains($"| `{alert.Name}` |", documented, StringComparison.Ordinal));

        // A job with another name must not silence all alerts.
        Assert.Single(alerts, alert => alert.Expression.Contains("job=", StringComparison.Ordinal));
    }

    [Fact]
    public void Dashboard_works_with_any_data_source_and_job()
    {
        var board = Read("deploy/grafana/dashboards/actors.json");
        var variables = JsonDocument.Parse(board).RootElement.GetProperty("templating").GetProperty("list").EnumerateArray()
            .Select(variable => variable.GetProperty("name").GetString());
        Assert.Equal(["datasource", "job"], variables);
        Assert.All(Panels(), panel =>
        {
            Assert.Equal("${datasource}", panel.Source);
            Assert.DoesNotMatch("""job="|job='""", panel.Expression);
            Assert.Equal(MetricName().Count(panel.Expression), panel.Expression.Split("""job=~"$job""").Length - 1);
        });
    }

    [Fact]
    public void No_metric_has_the_quantile_label_that_Prometheus_reserves()
    {
        var names = typeof(ActorsTelemetry).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => (string)field.GetRawConstantValue()!);
        Assert.DoesNotContain(names, name => name is "quantile" or "le");
        Assert.DoesNotContain(Panels(), panel => Regex.IsMatch(panel.Expression, @"(?<!histogram_)quantile"));
    }

    private static IEnumerable<(string Name, string Expression)> Alerts()
    {
        var yaml = new YamlStream();
        yaml.Load(new StringReader(Read("deploy/prometheus/alerts.yml")));
        var groups = (YamlSequenceNode)yaml.Documents[0].RootNode["groups"];
        foreach (var rule in groups.SelectMany(group => (YamlSequenceNode)group["rules"]))
        {
            // Each alert names the silo or Redis that it concerns, unless there is none.
            Assert.NotEmpty(rule["annotations"]["summary"].ToString());
            Assert.NotEmpty(rule["annotations"]["description"].ToString());
            Assert.Contains(rule["labels"]["severity"].ToString(), (string[])["warning", "critical"]);
            yield return (rule["alert"].ToString(), rule["expr"].ToString());
        }
    }

    private static IEnumerable<(string Title, string Source, string Expression)> Panels()
    {
        foreach (var panel in JsonDocument.Parse(Read("deploy/grafana/dashboards/actors.json")).RootElement.GetProperty("panels").EnumerateArray())
        {
            if (!panel.TryGetProperty("targets", out var targets)) continue;
            foreach (var target in targets.EnumerateArray())
            {
                yield return (
                    panel.GetProperty("title").GetString()!,
                    target.GetProperty("datasource").GetProperty("uid").GetString()!,
                    target.GetProperty("expr").GetString()!);
            }
        }
    }

    /// <summary>The metrics of a silo in this process, with their exported names.</summary>
    private static HashSet<string> ExportedMetrics()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == ActorsTelemetry.MeterName) names.UnionWith(ExportedNames(instrument));
            },
        };
        listener.Start();
        return names;
    }

    private static IEnumerable<string> ExportedNames(Instrument instrument)
    {
        var unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        var name = instrument.Name.Replace('.', '_');
        if (!name.EndsWith(unit, StringComparison.Ordinal)) name += unit;
        var kind = instrument.GetType().Name;
        if (kind.Contains("Histogram", StringComparison.Ordinal)) return [name, $"{name}_bucket", $"{name}_sum", $"{name}_count"];
        return [kind.Contains("Counter", StringComparison.Ordinal) ? $"{name}_total" : name];
    }

    private static string Section(string file, string heading)
    {
        var text = Read(file);
        var start = text.IndexOf($"\n{heading}\n", StringComparison.Ordinal) + 1;
        var end = text.IndexOf("\n## ", start, StringComparison.Ordinal);
        return text[start..(end < 0 ? text.Length : end)];
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file)).ReplaceLineEndings("\n");

    [GeneratedRegex(@"\bactors_[a-z0-9_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex(@"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")]
    private static partial Regex Grouping();

    [GeneratedRegex("""([a-z_]+)\s*(?:=~|!=|!~|=)\s*["']""")]
    private static partial Regex Selector();
}
