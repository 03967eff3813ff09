#!/usr/bin/env bash
# Draws docs/images/terminal.svg: runs the commands below against a silo of its own and renders what they print.
# Needs the .NET 10 SDK only. Takes a minute once everything is built.
#
#   docs/images/make-terminal.sh
set -euo pipefail

images="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$images/../.." && pwd)"
work="$(mktemp -d "${TMPDIR:-/tmp}/actors-terminal.XXXXXX")"
silo=
finish() {
  if [ -n "$silo" ]; then
    kill -TERM "$silo" 2>/dev/null || true
    wait "$silo" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

export DOTNET_CLI_UI_LANGUAGE=en DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
# The embedded silo, whatever the environment says.
unset ConnectionStrings__redis ConnectionStrings__postgres Actors__Client__Gateways

# The commands run in an empty directory, which the picture shows as the checkout.
as_checkout() { sed -e "s|$work|/home/you/actors|g" -e 's/[[:space:]]*$//'; }

# Shows a command, runs it, shows what it prints. A command that fails ends the script.
run() {
  printf '\n$ %s\n' "$1"
  local command="${1/#.\/actors/\"$root/actors\"}"
  (cd "$work" && eval "$command") 2>"$work/stderr" | as_checkout || { cat "$work/stderr" >&2; exit 1; }
}

dotnet build "$root/Silo" -c Release --nologo -v quiet >&2
"$root/actors" --help >/dev/null

(cd "$work" && exec dotnet "$root/Silo/bin/Release/net10.0/Actors.Silo.dll") >"$work/silo.log" 2>&1 &
silo=$!
for _ in $(seq 120); do
  grep -q '^ *metrics  ' "$work/silo.log" && break
  kill -0 "$silo" 2>/dev/null || { cat "$work/silo.log" >&2; exit 1; }
  sleep 0.5
done
port="$(sed -n 's/^ *silo  *[0-9.]*:\([0-9]*\),.*/\1/p' "$work/silo.log")"

{
  echo '$ dotnet run --project Silo'
  sed -n '/Actors silo is ready/,/^ *metrics  /p' "$work/silo.log" | as_checkout
  run './actors user set ada --name Ada --attr plan=pro --incr logins=1'
  run './actors load writes --seconds 5 --users 1000 --ledger ledger'
  run './actors verify --ledger ledger'
  run './actors load limits --seconds 5 --clients 5'
  run "./actors breaker isolate $port --reason \"a look at what happens without Redis\""
  run './actors user set ada --incr logins=1'
  run './actors limit acquire ada --count 2'
  run "./actors breaker close $port"
} >"$work/transcript"

dotnet run "$images/RenderTerminal.cs" <"$work/transcript" >"$work/terminal.svg"
cp "$work/terminal.svg" "$images/terminal.svg"
echo "$images/terminal.svg: $(wc -c <"$images/terminal.svg") bytes"
