@echo off
rem The command line of an Actors cluster, from a checkout: built where it is missing. After changes: dotnet build Cli -c Release
setlocal
set "dll=%~dp0Cli\bin\Release\net10.0\actors.dll"
if not exist "%dll%" echo actors: building the command line, which is done once and takes up to two minutes ... 1>&2
if not exist "%dll%" dotnet build "%~dp0Cli" --configuration Release --nologo --verbosity quiet 1>&2 || exit /b 1
dotnet "%dll%" %*
exit /b %errorlevel%
