#:property PublishAot=false
#:property GenerateDocumentationFile=false
#:property EnforceCodeStyleInBuild=false
// Renders the transcript of a terminal (standard input) as an SVG (standard output). Lines that begin with "$ " are commands.
// The steps appear one after the other, once; without animations, or if the reader prefers none, all of it is there at once.
using System.Net;
using System.Text;

const double CharWidth = 7.8;
const double LineHeight = 18;
const double Margin = 18;
const double Header = 34;
const double StepSeconds = 1.1;

// Without UTF-8 the blocks of the plots would be question marks.
Console.InputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
var lines = Console.In.ReadToEnd().ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
var width = Math.Ceiling((Margin * 2) + (CharWidth * lines.Max(line => line.Length)));
var height = Math.Ceiling(Header + (LineHeight * lines.Length) + Margin);

var svg = new StringBuilder();
Add($"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="A terminal">""");
Add($$"""
    <style>
    text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c9d1d9; white-space: pre; }
    .p { fill: #7ee787; } .c { fill: #ffffff; font-weight: 600; } .w { fill: #f2cc60; } .m { fill: #79c0ff; }
    @media (prefers-reduced-motion: no-preference) { .s { animation: s .2s backwards; } }
    @keyframes s { from { opacity: 0; } }
    </style>
    """);
// A dark window with a border of its own: readable on light and on dark pages.
Add($"""<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" fill="#0d1117" stroke="#57606a"/>""");
Add("""<g fill="#57606a"><circle cx="20" cy="18" r="5"/><circle cx="38" cy="18" r="5"/><circle cx="56" cy="18" r="5"/></g>""");

var step = -1;
for (var i = 0; i < lines.Length; i++)
{
    var line = lines[i];
    if (line.StartsWith("$ ", StringComparison.Ordinal))
    {
        if (step >= 0) svg.Append("</g>\n");
        step++;
        Add($"""<g class="s" style="animation-delay:{step * StepSeconds:0.#}s">""");
    }

    if (line.Length == 0) continue;
    Add($"""<text x="{Margin}" y="{Header + (LineHeight * (i + 1)) - 4:0.#}" xml:space="preserve">{Marked(line)}</text>""");
}

if (step >= 0) svg.Append("</g>\n");
svg.Append("</svg>\n");
Console.Out.Write(svg);

// Colours mark the command, the durability reached and the decisions made without Redis, so that they are seen first.
static string Marked(string line)
{
    if (line.StartsWith("$ ", StringComparison.Ordinal))
        return $"""<tspan class="p">$</tspan> <tspan class="c">{WebUtility.HtmlEncode(line[2..])}</tspan>""";
    var text = WebUtility.HtmlEncode(line);
    foreach (var (words, mark) in (ReadOnlySpan<(string, string)>)[
        ("durability journal", "m"), ("durability database", "w"), ("local: Redis is away", "w"), ("decided without Redis", "w"),
        ("0 missing, 0 stale, 0 wrong", "p"), ("Actors silo is ready", "p")])
    {
        text = text.Replace(words, $"""<tspan class="{mark}">{words}</tspan>""", StringComparison.Ordinal);
    }

    return text;
}

void Add(string line) => svg.Append(line).Append('\n');
