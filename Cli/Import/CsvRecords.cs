using System.Text;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>One record of a CSV file: its fields or its fault.</summary>
/// <param name="Line">The line the record starts on.</param>
/// <param name="Fields">The fields; empty if there is a fault.</param>
/// <param name="Fault">The fault, or null.</param>
internal sealed record CsvRecord(long Line, IReadOnlyList<string> Fields, string? Fault);

/// <summary>
/// Reads CSV by RFC 4180: commas, quoted fields with doubled quotes and line ends inside, LF and CRLF; blank lines are skipped.
/// Strict, because a lenient reader would import guesses.
/// </summary>
internal static class CsvRecords
{
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    public static async IAsyncEnumerable<CsvRecord> ReadAsync(IAsyncEnumerable<FileLine> lines)
    {
        var record = new RecordParser();
        await foreach (var line in lines)
        {
            if (!record.IsOpen)
            {
                if (line.Bytes is { } bytes && bytes.AsSpan().TrimEnd("\r\n"u8).IsEmpty)
                    continue;
                record.Start(line.Number);
            }
            if (line.Bytes is null || record.Bytes + line.Bytes.Length > LineReader.MaxBytes)
            {
                // Within quotes the start of the next record is unknown.
                var wasOpen = record.IsOpen && record.Bytes > 0;
                yield return new(record.Line, [], wasOpen
                    ? $"a quote is opened and not closed within {Text.Bytes(LineReader.MaxBytes)}; nothing after it was read"
                    : $"the line is longer than {Text.Bytes(LineReader.MaxBytes)}");
                if (wasOpen)
                    yield break;
                record.Reset();
                continue;
            }
            if (record.Add(line.Bytes))
                yield return record.Finish();
        }
        if (record.IsOpen)
            yield return new(record.Line, [], "a quote is opened and never closed; nothing after it was read");
    }

    /// <summary>A record being parsed, line by line, because only the quotes determine its end.</summary>
    private sealed class RecordParser
    {
        private readonly List<string> _fields = [];
        private readonly List<byte> _field = [];
        private bool _isQuoted;
        private string? _fault;

        public long Line { get; private set; }

        public int Bytes { get; private set; }

        public bool IsOpen { get; private set; }

        public void Start(long line)
        {
            Reset();
            Line = line;
            IsOpen = true;
        }

        public void Reset()
        {
            _fields.Clear();
            _field.Clear();
            _isQuoted = false;
            _fault = null;
            Bytes = 0;
            IsOpen = false;
        }

        /// <summary>Parses a line with its end of line; true if the record ends with it.</summary>
        public bool Add(ReadOnlySpan<byte> line)
        {
            Bytes += line.Length;
            var text = line.TrimEnd("\r\n"u8);
            var at = 0;
            while (_isQuoted || at <= text.Length)
            {
                if (_isQuoted)
                {
                    if (!TakeQuoted(line, ref at))
                        return false;
                    if (at < text.Length && text[at] != (byte)',')
                        Blame("a closing quote is not followed by a comma");
                }
                else if (at < text.Length && text[at] == (byte)'"')
                {
                    _isQuoted = true;
                    at++;
                    continue;
                }
                TakePlain(text, ref at);
                EndField();
                at++;
            }
            return true;
        }

        public CsvRecord Finish()
        {
            var record = new CsvRecord(Line, _fault is null ? _fields.ToArray() : [], _fault);
            Reset();
            return record;
        }

        /// <summary>Parses up to the closing quote; false if the line ends before it.</summary>
        private bool TakeQuoted(ReadOnlySpan<byte> line, ref int at)
        {
            while (at < line.Length)
            {
                if (line[at] != (byte)'"')
                {
                    _field.Add(line[at++]);
                }
                else if (at + 1 < line.Length && line[at + 1] == (byte)'"')
                {
                    _field.Add((byte)'"');
                    at += 2;
                }
                else
                {
                    at++;
                    _isQuoted = false;
                    return true;
                }
            }
            return false;
        }

        private void TakePlain(ReadOnlySpan<byte> text, ref int at)
        {
            while (at < text.Length && text[at] != (byte)',')
            {
                if (text[at] == (byte)'"')
                    Blame("a quote appears inside an unquoted field");
                _field.Add(text[at++]);
            }
        }

        private void EndField()
        {
            try
            {
                _fields.Add(Utf8.GetString([.. _field]));
            }
            catch (DecoderFallbackException)
            {
                Blame("contains text that is not valid UTF-8");
            }
            _field.Clear();
        }

        private void Blame(string fault) => _fault ??= fault;
    }
}
