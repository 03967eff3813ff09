using Actors;

var builder = WebApplication.CreateBuilder(args);
if (builder.Configuration["urls"] is null) builder.WebHost.UseUrls("http://127.0.0.1:5080");

builder.AddActorsClient();
builder.Services.AddProblemDetails();
builder.Services.AddActorsRateLimiting(limits => limits
    .AddPolicy("search")
    .AddPolicy("export", maxWait: TimeSpan.FromSeconds(5))

    // An API that has keys would check them before it comes to limits.
    .ClientIdFromHeader("X-Api-Key")
    .ClientIdFromAddress());

// What is to be done when the limiter is away is a matter of the app: Allow or Deny.
builder.Services.AddOptions<ActorsRateLimitingOptions>().BindConfiguration("RateLimiting");

var app = builder.Build();
app.UseRateLimiter();

app.MapGet("/", () => "curl -i -H 'X-Api-Key: ada' http://127.0.0.1:5080/search?q=orleans");

// Not limited.
app.MapGet("/health", () => Results.NoContent());

// One permit of "search" per request; denied with 429 where there is none.
app.MapGet("/search", (string? q) => Results.Ok(new { query = q, hits = Array.Empty<string>() })).RequireRateLimiting("search");

// Costs as much as five searches.
app.MapGet("/search/deep", (string? q) => Results.Ok(new { query = q, hits = Array.Empty<string>() }))
    .RequireRateLimiting("search").WithRateLimitPermits(5);

// Waits its turn for up to 5 seconds before it is denied.
app.MapPost("/export", () => Results.Accepted()).RequireRateLimiting("export");

// The same limits without the middleware: what a client has left, and its own policy.
app.MapGet("/clients/{id}/limits/{policy}", async (string id, string policy, ActorsClient actors) =>
{
    var decision = await actors.RateLimiter(id).PeekAsync(policy);
    return Results.Ok(new { decision.Policy, decision.Limit, decision.Remaining, resetAfterSeconds = decision.ResetAfter.TotalSeconds });
});

app.Run();
