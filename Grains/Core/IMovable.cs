namespace Actors.Core;

/// <summary>A grain that can move to its home silo at any time, unless something waits in it.</summary>
internal interface IMovable
{
    /// <summary>
    /// Migrates, unless a call waits in the activation or it holds what the next one could not find. To be called in one of its turns.
    /// </summary>
    void MoveIfIdle();
}
