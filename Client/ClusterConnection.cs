namespace Actors;

/// <summary>Tells whether the client is connected to the cluster, and if not, why. Safe for concurrent use.</summary>
internal sealed class ClusterConnection
{
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string _reason = "The client is still connecting.";

    /// <summary>True once the client has connected. From then on, Orleans reconnects to lost silos by itself.</summary>
    public bool IsOpen => _opened.Task.IsCompleted;

    /// <summary>Completes when the client has connected.</summary>
    public Task Opened => _opened.Task;

    /// <summary>The reason the last attempt failed, as a sentence.</summary>
    public string Reason
    {
        get => _reason;
        set => _reason = value;
    }

    /// <summary>Records that the client has connected.</summary>
    public void Open() => _opened.TrySetResult();
}
