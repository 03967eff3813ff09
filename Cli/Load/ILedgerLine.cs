using System.Text.Json;

namespace Actors.Cli.Load;

/// <summary>What a <see cref="LedgerWriter{TEntry}"/> writes: one JSON object.</summary>
internal interface ILedgerLine
{
    void WriteTo(Utf8JsonWriter json);
}
