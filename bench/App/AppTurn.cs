namespace Actors.Bench.App;

/// <summary>The turn of a work in the app's process, as measured there.</summary>
/// <param name="Count">Calls made.</param>
/// <param name="Unexpected">Calls whose answer was not the expected one.</param>
/// <param name="Elapsed">The elapsed time, until the last call in flight was answered.</param>
/// <param name="Cpu">CPU time of the app.</param>
/// <param name="Bytes">Bytes the app allocated.</param>
/// <param name="P50">The median latency.</param>
/// <param name="P99">The 99th percentile of the latency.</param>
/// <param name="Doubt">A reason to doubt the figures, or null.</param>
internal sealed record AppTurn(
    long Count, long Unexpected, TimeSpan Elapsed, TimeSpan Cpu, long Bytes, TimeSpan P50, TimeSpan P99, string? Doubt = null);

/// <summary>The cost of a turn in the processes of the app and the silo.</summary>
/// <param name="Cpu">CPU time of the app.</param>
/// <param name="Bytes">Bytes the app allocated.</param>
/// <param name="SiloCpu">CPU time of the silo; null if no silo takes part.</param>
/// <param name="P50">The median latency of a call.</param>
/// <param name="P99">The 99th percentile of the latency.</param>
internal sealed record AppCost(TimeSpan Cpu, long Bytes, TimeSpan? SiloCpu, TimeSpan P50, TimeSpan P99);
