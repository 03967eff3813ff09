#!/usr/bin/env bash
# Installs what is missing, builds, checks the format, runs all tests against real servers that the tests start, and ends
# with one line: N passed, N failed, N skipped.
#
#   ./test.sh                  everything
#   ./test.sh Grains Embedded  only tests/Grains.Tests and tests/Embedded.Tests
#
# A step other than a test that fails (the build, the format, a test project that crashes) counts as one failed.
# Written for bash 3.2 too, which is what macOS has.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

export DOTNET_CLI_UI_LANGUAGE=en DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
# The many silos of the tests live for seconds: to profile their code costs more than it gains.
export DOTNET_TieredPGO=0
configuration=Release
# Far more than it takes: for tests that hang.
limit=30m
passed=0 failed=0 skipped=0
problems=()
log=$(mktemp "${TMPDIR:-/tmp}/actors-test.XXXXXX")

finish() {
  rm -f "$log"
  if [ $((passed + failed)) -eq 0 ]; then
    problems+=("no test ran")
  fi
  echo
  for problem in ${problems[@]+"${problems[@]}"}; do
    echo "FAILED: $problem"
  done
  echo "$passed passed, $failed failed, $skipped skipped"
  [ ${#problems[@]} -eq 0 ] && [ "$failed" -eq 0 ]
  exit
}

problem() {
  problems+=("$1")
  failed=$((failed + ${2:-1}))
}

step() {
  echo
  echo "== $* ($((SECONDS / 60)) min $((SECONDS % 60)) s)"
}

trap 'problem "interrupted"; finish' INT TERM

# --- What the tests need -------------------------------------------------------------------------------------------

have_redis() {
  command -v redis-server >/dev/null 2>&1 || [ -x /opt/homebrew/bin/redis-server ] || [ -x /usr/local/bin/redis-server ]
}

have_postgres() {
  command -v initdb >/dev/null 2>&1 && return
  for bin in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
    [ -x "$bin/initdb" ] && return
  done
  return 1
}

have_pgbouncer() {
  command -v pgbouncer >/dev/null 2>&1 || [ -x /usr/sbin/pgbouncer ] || [ -x /opt/homebrew/bin/pgbouncer ] || [ -x /usr/local/bin/pgbouncer ]
}

have_wrk() {
  command -v wrk >/dev/null 2>&1 || [ -x /opt/homebrew/bin/wrk ] || [ -x /usr/local/bin/wrk ]
}

# For programs whose clock is off. What there is for macOS does not work with dotnet; those tests are skipped there.
have_faketime() {
  [ "$(uname)" = Linux ] || return 0
  for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib/faketime/libfaketimeMT.so.1; do
    [ -e "$library" ] && return
  done
  return 1
}

install_missing() {
  local apt=() brew=()
  have_redis || { apt+=(redis-server); brew+=(redis); }
  have_postgres || { apt+=(postgresql); brew+=(postgresql@17); }
  have_pgbouncer || { apt+=(pgbouncer); brew+=(pgbouncer); }
  have_wrk || { apt+=(wrk); brew+=(wrk); }
  have_faketime || apt+=(faketime)
  [ ${#apt[@]} -eq 0 ] && return 0

  step "Installing ${apt[*]}"
  if command -v apt-get >/dev/null 2>&1; then
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
      command -v sudo >/dev/null 2>&1 || {
        echo "Not root and no sudo here. As root: apt-get install ${apt[*]}"
        return 1
      }
      root=(sudo)
    fi
    ${root[@]+"${root[@]}"} apt-get update -q &&
      ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${apt[@]}"
  elif command -v brew >/dev/null 2>&1; then
    brew install "${brew[@]}"
  else
    echo "Neither apt-get nor brew is here. Install a Redis server (redis-server), PostgreSQL 15 or later (initdb, postgres), PgBouncer and wrk, and have them in the PATH."
    return 1
  fi
}

if ! command -v dotnet >/dev/null 2>&1; then
  echo "The .NET 10 SDK is needed (dotnet in the PATH): https://dotnet.microsoft.com/download"
  problem "dotnet was not found"
  finish
fi

install_missing || { problem "what the tests need could not be installed"; finish; }
have_redis && have_postgres && have_pgbouncer && have_wrk || {
  problem "redis-server, PostgreSQL, PgBouncer or wrk is still missing"
  finish
}

# --- Build ---------------------------------------------------------------------------------------------------------

step "Building ($configuration)"
if ! dotnet build Actors.sln -c "$configuration" -v quiet; then
  problem "the build"
  finish
fi

step "Checking the format"
# White space only: the build has run the analyzers and treats code style as errors.
if ! dotnet format whitespace Actors.sln --verify-no-changes --no-restore; then
  problem "the format; mend it by: dotnet format Actors.sln"
fi

# --- Tests ---------------------------------------------------------------------------------------------------------

# The number behind a word in the summary that dotnet test ends with, or nothing.
counted() {
  awk -v word="$1:" '/^Test run summary:/ { found = 1 } found && $1 == word { print $2; exit }' "$log"
}

# The names of the tests that failed, one to a line: "failed NAME (1s 234ms)".
failed_tests() {
  sed -n -E 's/^failed (.*[^ ]) \(([0-9]+[a-z]+ ?)+\)$/\1/p' "$log"
}

run() {
  local project=$1 name
  name=$(basename "$project")
  step "$name"
  dotnet test --project "$project" -c "$configuration" --no-build --no-ansi --no-progress --timeout "$limit" 2>&1 | tee "$log"
  local code=${PIPESTATUS[0]}

  local ok bad left failure
  ok=$(counted succeeded) bad=$(counted failed) left=$(counted skipped)
  passed=$((passed + ${ok:-0}))
  skipped=$((skipped + ${left:-0}))
  if [ "${bad:-0}" -gt 0 ]; then
    # Here again, since often only the end of a log is seen.
    problem "$name: $bad of its tests" "$bad"
    while IFS= read -r failure; do
      problems+=("  $failure")
    done < <(failed_tests)
  elif [ "$code" -ne 0 ]; then
    # Crashed, ran out of time, or held no test.
    problem "$name ended with exit code $code"
  fi
}

if [ $# -eq 0 ]; then
  set -- tests/*.Tests
fi
for argument in "$@"; do
  # By name first: beside Grains.Tests there is a directory Grains, which holds no test.
  project=${argument%/}
  [ -d "tests/${project%.Tests}.Tests" ] && project=tests/${project%.Tests}.Tests
  if [ -d "$project" ]; then
    run "$project"
  else
    problem "there is no test project $argument"
  fi
done

finish
