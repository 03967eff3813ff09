using Actors.Cli.Output;
using Spectre.Console;
using Text = Actors.Cli.Output.Text;

namespace Actors.Cli.Limits;

/// <summary>Decisions as text.</summary>
internal static class DecisionView
{
    private const int NameWidth = 14;

    public static string Line(string name, string value) => name.PadRight(NameWidth) + Text.Printable(value);

    /// <summary>One decision, one value per line.</summary>
    public static void Write(string client, int permits, RateLimitDecision decision, bool isPeek, Terminal terminal)
    {
        TerminalConsole.Of(terminal).MarkupLine(
            $"{Markup.Escape(Text.Printable(client))}: {(isPeek ? "would be " : "")}{Word(decision)}"
                + (decision.IsShadowDenial ? ", only because the policy is in shadow mode" : ""));
        terminal.WriteLine(Line("policy", decision.Policy));
        terminal.WriteLine(Line("permits", Text.Of(permits)));
        terminal.WriteLine(Line(
            "limit", WindowText.Of(decision.Window) + (decision.Windows.Length > 1 ? $", the tightest of {WindowText.Of(decision.Windows)}" : "")));
        WriteState(decision, terminal, isPeek && decision.IsAllowed ? ", after this call" : "");
    }

    /// <summary>The remaining permits of a policy, and when more become free.</summary>
    public static void WriteState(RateLimitDecision decision, Terminal terminal, string note = "")
    {
        terminal.WriteLine(Line("remaining", $"{Text.Of(decision.Remaining)} of {WindowText.Of(decision.Window)}{note}"));
        if (decision.RetryAfter > TimeSpan.Zero)
            terminal.WriteLine(Line("retry after", Text.Of(decision.RetryAfter)));
        terminal.WriteLine(Line("reset after", Text.Of(decision.ResetAfter)));
        terminal.WriteLine(Line("source", SourceOf(decision)));
        terminal.WriteLine(Line("decided at", Text.Of(decision.DecidedAt)));
    }

    /// <summary>One decision of many, on one line.</summary>
    public static void WriteLine(int call, RateLimitDecision decision, TimeSpan elapsed, Terminal terminal)
    {
        var state = decision.IsAllowed
            ? $"{Text.Of(decision.Remaining)} of {WindowText.Of(decision.Window)} left"
            : $"{WindowText.Of(decision.Window)} is used up, retry after {Text.Of(decision.RetryAfter)}";
        var notes = (decision.IsShadowDenial ? ", shadow mode" : "") + (decision.Source == RateLimitSource.Local ? $", {SourceOf(decision)}" : "");
        TerminalConsole.Of(terminal).MarkupLine(
            $"{call,6}  {Word(decision)}{(decision.IsAllowed ? "" : " ")}  {Text.Of(elapsed),8}  {Markup.Escape(state + notes)}");
    }

    public static void WriteSummary(
        string client, int permits, IReadOnlyList<RateLimitDecision> decisions, TimeSpan elapsed, Terminal terminal)
    {
        var allowed = decisions.Count(decision => decision.IsAllowed);
        terminal.WriteLine(
            $"{Text.Printable(client)}: {Text.Of(allowed)} of {Text.Count(decisions.Count, "call")} allowed " +
            $"({Text.Count((long)allowed * permits, "permit")}), {Text.Of(decisions.Count - allowed)} denied, in {Text.Of(elapsed)}");
        var shadow = decisions.Count(decision => decision.IsShadowDenial);
        var local = decisions.Count(decision => decision.Source == RateLimitSource.Local);
        if (shadow > 0)
            terminal.WriteLine($"{Text.Of(shadow)} of those allowed would have been denied: the policy is in shadow mode");
        if (local > 0)
            terminal.WriteLine($"{Text.Of(local)} were decided without Redis");
    }

    private static string Word(RateLimitDecision decision) => decision switch
    {
        { IsShadowDenial: true } => "[yellow]allowed[/]",
        { IsAllowed: true } => "[green]allowed[/]",
        _ => "[red]denied[/]",
    };

    private static string SourceOf(RateLimitDecision decision) => decision.Source == RateLimitSource.Local
        ? "local: Redis is away"
        : Text.Of(decision.Source);
}
