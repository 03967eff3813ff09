using System.Text.Json;

namespace Actors.Cli.Load;

/// <summary>An entry of a <see cref="LedgerWriter{TEntry}"/>: one JSON object.</summary>
internal interface ILedgerLine
{
    void WriteTo(Utf8JsonWriter json);
}
