using Actors;

var builder = WebApplication.CreateBuilder(args);
if (builder.Configuration["urls"] is null) builder.WebHost.UseUrls("http://127.0.0.1:5080");

builder.AddActorsClient();
builder.Services.AddActorsProblemDetails();
builder.Services.AddHealthChecks().AddActorsClientCheck();

// The issued API keys. An unknown key must not be a client id, because every invented key would get its own limits.
var keys = (builder.Configuration.GetSection("ApiKeys").Get<string[]>() ?? ["ada", "bob"]).ToHashSet(StringComparer.Ordinal);
builder.Services.AddActorsRateLimiting(limits => limits
    .AddPolicy("search")
    .AddPolicy("export", maxWait: TimeSpan.FromSeconds(5))
    .ClientIdFromHeader("X-Api-Key", (_, key) => keys.Contains(key))
    .ClientIdFromAddress());

// The app decides what happens when the limiter is unreachable: Allow or Deny.
builder.Services.AddOptions<ActorsRateLimitingOptions>().BindConfiguration("RateLimiting");

var app = builder.Build();
app.UseExceptionHandler();
app.UseRateLimiter();

app.MapGet("/", () => "curl -i -H 'X-Api-Key: ada' http://127.0.0.1:5080/search?q=orleans");

// Not limited.
app.MapGet("/health", () => Results.NoContent());
app.MapHealthChecks("/health/cluster");

// One permit of "search" per request; denied with 429 if none is left.
app.MapGet("/search", (string? q) => Results.Ok(new { query = q, hits = Array.Empty<string>() })).RequireRateLimiting("search");

// Costs as much as five searches.
app.MapGet("/search/deep", (string? q) => Results.Ok(new { query = q, hits = Array.Empty<string>() }))
    .RequireRateLimiting("search").WithRateLimitPermits(5);

// Waits for its turn for up to 5 seconds before it is denied.
app.MapPost("/export", () => Results.Accepted()).RequireRateLimiting("export");

// The same limits without the middleware: the remaining permits of a key.
app.MapGet("/keys/{key}/limits/{policy}", async (string key, string policy, ActorsClient actors) =>
{
    var decision = await actors.RateLimiter(ClientIds.OfApiKey(key)).PeekAsync(policy);
    return Results.Ok(new { decision.Policy, decision.Limit, decision.Remaining, resetAfterSeconds = decision.ResetAfter.TotalSeconds });
});

app.Run();
