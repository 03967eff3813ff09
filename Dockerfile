# syntax=docker/dockerfile:1
# The silo, without the embedded Redis and database: it takes both by connection strings (docs/operating.md).
#
#   docker build -t actors-silo .
#   docker build -t actors-cli --target cli .       the command line

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS sources
WORKDIR /src
ENV DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

# What decides about packages comes first, so that a change of code does not restore them again.
COPY global.json Directory.Build.props Directory.Packages.props .editorconfig ./
COPY Grains.Interfaces/Grains.Interfaces.csproj Grains.Interfaces/

FROM sources AS publish-silo
COPY Grains/Grains.csproj Grains/
COPY Silo/Silo.csproj Silo/
RUN dotnet restore Silo -p:Embedded=false
COPY Grains.Interfaces/ Grains.Interfaces/
COPY Grains/ Grains/
COPY Silo/ Silo/
RUN dotnet publish Silo -c Release -p:Embedded=false --no-restore -o /out

FROM sources AS publish-cli
COPY Client/Client.csproj Client/
COPY Cli/Cli.csproj Cli/
RUN dotnet restore Cli
COPY Grains.Interfaces/ Grains.Interfaces/
# The client compiles a few files of Grains along.
COPY Grains/ Grains/
COPY Client/ Client/
COPY Cli/ Cli/
RUN dotnet publish Cli -c Release --no-restore -o /out

# The client library carries an adapter to ASP.NET Core, and so asks for its runtime.
FROM mcr.microsoft.com/dotnet/aspnet:10.0 AS cli
WORKDIR /app
COPY --from=publish-cli /out .
USER $APP_UID
ENTRYPOINT ["dotnet", "/app/actors.dll"]

FROM mcr.microsoft.com/dotnet/aspnet:10.0 AS silo
WORKDIR /app
COPY --from=publish-silo /out .

# The address is --urls' to say; the base image's own variable would only earn a warning.
ENV ASPNETCORE_HTTP_PORTS= \
    Actors__Address=auto
USER $APP_UID

# HTTP (health and metrics), other silos, clients.
EXPOSE 8080 11111 30000

# By bash itself, since the base image has no curl. Only whether the process answers: no outage of Redis or the database
# should have a silo restarted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /health/live HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r answer <&3 && [[ $answer == *' 200 '* ]]"]

ENTRYPOINT ["dotnet", "/app/Actors.Silo.dll"]
CMD ["--urls", "http://0.0.0.0:8080"]
