using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>
/// Users as the objects that <see cref="JsonUsers"/> reads, over any number of lines: one JSON array, or one object after
/// another as <c>jq</c> writes them. Records are numbered from 1, because several may share a line.
/// </summary>
internal static class MultilineJsonUsers
{
    public static async IAsyncEnumerable<ImportRecord> ReadAsync(Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var pipe = PipeReader.Create(stream, new(bufferSize: 64 * 1024, leaveOpen: true));
        var parser = new Parser();
        while (true)
        {
            var read = await pipe.ReadAsync(cancellationToken);
            foreach (var segment in read.Buffer)
            {
                for (var i = 0; i < segment.Length; i++)
                {
                    if (parser.Take(segment.Span[i]) is { } record)
                        yield return record;
                }
            }
            pipe.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
                break;
        }
        if (parser.End() is { } last)
            yield return last;
        await pipe.CompleteAsync();
    }

    /// <summary>
    /// Finds the bounds of the objects and parses each one separately, so that a bad object does not affect others.
    /// </summary>
    private sealed class Parser
    {
        private readonly List<byte> _element = [];
        private State _state = State.Start;
        private long _line = 1;
        private long _startLine;
        private long _records;
        private int _depth;
        private bool _isInString;
        private bool _isEscaped;

        // False if the objects follow each other without commas.
        private bool _isArray;

        private enum State
        {
            Start,
            BeforeFirst,
            BeforeNext,
            InElement,
            AfterArray,

            // The bounds of later objects are unknown.
            Ended,
        }

        /// <summary>Consumes a byte; returns a record if one ends with it.</summary>
        public ImportRecord? Take(byte next)
        {
            if (next == (byte)'\n')
                _line++;
            if (_state == State.InElement)
                return TakeInElement(next);
            if (_state == State.Ended || next is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
                return null;
            switch (_state, next)
            {
                case (State.Start, (byte)'['):
                    _state = State.BeforeFirst;
                    _isArray = true;
                    return null;
                case (State.Start, not (byte)'{'):
                    // Byte order mark.
                    return null;
                case (State.AfterArray, _):
                    _state = State.Ended;
                    return Bad(_line, "there is text after the end of the array; nothing after it was read");
                case (State.BeforeFirst, (byte)']'):
                    _state = State.AfterArray;
                    return null;
                case (State.BeforeNext, (byte)']') when _isArray:
                    _state = State.AfterArray;
                    return Bad(_line, "there is no user after the last comma of the array");
                case (_, (byte)','):
                    _state = State.BeforeNext;
                    return Bad(_line, "there is no user before a comma");
                default:
                    _state = State.InElement;
                    _startLine = _line;
                    (_depth, _isInString, _isEscaped) = (0, false, false);
                    return TakeInElement(next);
            }
        }

        /// <summary>Call after the last byte.</summary>
        public ImportRecord? End() => _state switch
        {
            State.AfterArray or State.Ended => null,
            State.InElement => Bad(_startLine, $"the {(_isArray ? "array" : "object")} is not closed; the file may be truncated"),
            _ => _isArray ? Bad(_line, "the array is not closed; the file may be truncated") : null,
        };

        private ImportRecord? TakeInElement(byte next)
        {
            if (_isInString)
            {
                if (_isEscaped)
                    _isEscaped = false;
                else if (next == (byte)'\\')
                    _isEscaped = true;
                else if (next == (byte)'"')
                    _isInString = false;
            }
            else
            {
                switch (next)
                {
                    case (byte)'"':
                        _isInString = true;
                        break;
                    case (byte)'{' or (byte)'[':
                        _depth++;
                        break;
                    case (byte)']' or (byte)',' when _isArray && _depth == 0:
                        _state = next == (byte)',' ? State.BeforeNext : State.AfterArray;
                        return Finish();
                    case (byte)'}' or (byte)']':
                        _depth--;
                        break;
                }
            }
            _element.Add(next);
            if (!_isArray && _depth <= 0 && !_isInString)
            {
                _state = State.BeforeNext;
                return Finish();
            }
            if (_element.Count <= LineReader.MaxBytes)
                return null;
            _state = State.Ended;
            return Bad(_startLine, $"is longer than {Text.Bytes(LineReader.MaxBytes)}; nothing after it was read");
        }

        private ImportRecord Finish()
        {
            var record = JsonUsers.Parse(++_records, _element.ToArray());
            _element.Clear();
            return record.IsGood ? record : ImportRecord.Bad(record.Line, At(_startLine, record.Fault));
        }

        private ImportRecord Bad(long line, string fault) => ImportRecord.Bad(++_records, At(line, fault));

        private static string At(long line, string fault) => $"(line {Text.Of(line)}) {fault}";
    }
}
