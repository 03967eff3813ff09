#!/usr/bin/env bash
# Installs what is missing, builds, checks the format, runs all tests against real servers that the tests start, and ends
# with one line: N passed, N failed, N skipped.
#
#   ./test.sh                  everything
#   ./test.sh Grains Embedded  only tests/Grains.Tests and tests/Embedded.Tests: builds and installs only what they need
#   ./test.sh --quick          only tests that need no server: installs nothing, takes less than three minutes
#
# A test that failed runs once more, alone. If it passes then, it counts as passed and is listed as unstable: a race in the
# test or in the product, to be mended.
# The format is checked when everything is run. A step other than a test that fails (the build, the format, a test project
# that crashes) counts as one failed.
# Written for bash 3.2 too, which is what macOS has.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

export DOTNET_CLI_UI_LANGUAGE=en DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
# The many silos of the tests live for seconds: to profile their code, or to compile it once more, costs more than it gains. The delay
# is hexadecimal: a minute.
export DOTNET_TieredPGO=0 DOTNET_TC_CallCountingDelayMs=EA60
configuration=Release
# Far more than it takes: for tests that hang.
limit=30m
passed=0 failed=0 skipped=0
problems=()
unstable=()
# More failures than this in one project are no accident.
most_repeated=5
temporary=$(mktemp -d "${TMPDIR:-/tmp}/actors-test.XXXXXX")
# Tests start the published programs as another user too.
chmod 755 "$temporary"
# The process groups that run at the moment.
lanes=()

finish() {
  local lane
  for lane in ${lanes[@]+"${lanes[@]}"}; do
    kill -TERM -- "-$lane" 2>/dev/null
    wait "$lane" 2>/dev/null
  done
  rm -rf "$temporary"
  if [ $((passed + failed)) -eq 0 ]; then
    problems+=("no test ran")
  fi
  echo
  for test in ${unstable[@]+"${unstable[@]}"}; do
    echo "UNSTABLE: $test failed, and passed when it ran alone"
  done
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

trap 'problem "interrupted"; finish' INT TERM HUP

# --- What is to be run ----------------------------------------------------------------------------------------------

# Those with tests that need no server. Whatever a test needs is a trait of it: tests/Fixtures/Needs.cs.
quick_projects=(Grains Client Cli)
quick=false
filter=()
projects=()
is_all=false

for argument in "$@"; do
  case $argument in
    --quick)
      quick=true
      filter=(--filter-not-trait "Needs=*")
      continue
      ;;
    -*)
      problem "there is no option $argument; there is --quick"
      finish
      ;;
  esac
  # By name first: beside Grains.Tests there is a directory Grains, which holds no test.
  name=${argument%/}
  name=${name##*/}
  name=${name%.Tests}
  if [ -d "tests/$name.Tests" ]; then
    [[ " ${projects[*]-} " == *" $name "* ]] || projects+=("$name")
  else
    problem "there is no test project $argument"
  fi
done
if [ ${#projects[@]} -eq 0 ] && [ ${#problems[@]} -eq 0 ]; then
  if $quick; then
    projects=("${quick_projects[@]}")
  else
    is_all=true
    for directory in tests/*.Tests; do
      name=${directory##*/}
      projects+=("${name%.Tests}")
    done
  fi
fi
[ ${#projects[@]} -gt 0 ] || finish

# --- What the tests need -------------------------------------------------------------------------------------------

# What a project needs beyond .NET.
needs_of() {
  case $1 in
    Cli | Client | Embedded) ;;
    Grains) echo redis postgres pgbouncer ;;
    Cluster | Fault) echo redis postgres faketime ;;
    Samples) echo redis postgres wrk ;;
    # Not listed yet.
    *) echo redis postgres pgbouncer wrk faketime ;;
  esac
}

apt_package() {
  case $1 in
    redis) echo redis-server ;;
    postgres) echo postgresql ;;
    *) echo "$1" ;;
  esac
}

# Nothing where there is none.
brew_package() {
  case $1 in
    postgres) echo postgresql@17 ;;
    faketime) ;;
    *) echo "$1" ;;
  esac
}

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

# The needs that are not met.
missing() {
  local need
  for need in "$@"; do
    "have_$need" || echo "$need"
  done
}

install() {
  local apt=() brew=() need
  for need in "$@"; do
    apt+=("$(apt_package "$need")")
    brew+=($(brew_package "$need"))
  done

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

# With --quick no test runs that needs any.
needs=()
if ! $quick; then
  needs=($(for name in "${projects[@]}"; do needs_of "$name"; done | tr ' ' '\n' | sort -u))
fi
lacking=($(missing ${needs[@]+"${needs[@]}"}))
if [ ${#lacking[@]} -gt 0 ]; then
  install "${lacking[@]}" || { problem "what the tests need could not be installed"; finish; }
  lacking=($(missing "${lacking[@]}"))
  # Without faketime its tests fail by themselves, and say so.
  for need in ${lacking[@]+"${lacking[@]}"}; do
    [ "$need" = faketime ] && continue
    problem "$need is still missing"
    finish
  done
fi

# --- Build ---------------------------------------------------------------------------------------------------------

# One build of the projects that are run and of what they are built from.
selection() {
  local name separator=""
  printf '{ "solution": { "path": "%s", "projects": [' "$PWD/Actors.sln"
  for name in "${projects[@]}"; do
    printf '%s "tests\\\\%s.Tests\\\\%s.Tests.csproj"' "$separator" "$name" "$name"
    separator=,
  done
  printf ' ] } }\n'
}

step "Building ($configuration)"
solution=Actors.sln
if ! $is_all; then
  solution=$temporary/selected.slnf
  selection >"$solution"
fi
if ! dotnet build "$solution" -c "$configuration" -v quiet; then
  problem "the build"
  finish
fi

# --- Tests ---------------------------------------------------------------------------------------------------------

# Fault.Tests starts silos and command lines by the hundred; compiled ahead, each start takes less CPU.
published=$temporary/published

publish() {
  local platform program
  platform=$(dotnet --info | awk '$1 == "RID:" { print $2 }')
  for program in Silo Cli; do
    dotnet publish "$program" -c "$configuration" -r "$platform" -o "$published/$program" -v quiet || return 1
  done
}

# White space only: the build has run the analyzers and treats code style as errors.
check_format() {
  dotnet format whitespace Actors.sln --verify-no-changes --no-restore
}

# Runs the tests of a project, or those that the further arguments select.
test_project() {
  local name=$1
  shift
  dotnet test --project "tests/$name.Tests" -c "$configuration" --no-build --no-ansi --no-progress --timeout "$limit" "$@"
}

# A job is the check of the format, the publishing, or a test project. It leaves its output and its exit code.
job() {
  local name=$1
  case $name in
    check_format) step "Checking the format" ;;
    publish) step "Publishing the silo and the command line" ;;
    *) step "$name.Tests" ;;
  esac
  {
    case $name in
      check_format | publish) "$name" ;;
      *) test_project "$name" ${filter[@]+"${filter[@]}"} ;;
    esac 2>&1
    echo $? >"$temporary/$name.code"
    # Named, since another job may write at the same time.
  } | tee "$temporary/$name.log" | while IFS= read -r line || [ -n "$line" ]; do printf '%s: %s\n' "$name" "$line"; done
}

# Jobs that follow each other.
lane() {
  local name
  for name in "$@"; do
    job "$name"
  done
}

# The exit code of a job; "none" if it did not end.
code_of() {
  cat "$temporary/$1.code" 2>/dev/null || echo none
}

# Most projects leave the processor idle half of the time, so two lanes of them share it. Fault.Tests uses all of it, and Samples.Tests
# depends on response times.
is_fault=false first=() second=() last=()
for name in "${projects[@]}"; do
  case $name in
    Fault)
      is_fault=true
      last+=("$name")
      ;;
    Samples) last+=("$name") ;;
    Grains) first+=("$name") ;;
    *) second+=("$name") ;;
  esac
done
# No test needs the publishing before Fault.Tests.
if ! $quick && $is_fault; then
  first=(publish ${first[@]+"${first[@]}"})
fi
if $is_all; then
  first=(check_format "${first[@]}")
fi

# Each lane in a process group of its own, which can be ended as a whole.
set -m
lane ${first[@]+"${first[@]}"} </dev/null &
lanes+=($!)
lane ${second[@]+"${second[@]}"} </dev/null &
lanes+=($!)
set +m
wait "${lanes[@]}"
lanes=()

if ! $quick && $is_fault; then
  if [ "$(code_of publish)" = 0 ]; then
    export ACTORS_PUBLISHED=$published
  else
    # The compiler is a package, which a feed may lack.
    echo "The programs could not be published; the tests start them as they were built."
  fi
fi
set -m
lane ${last[@]+"${last[@]}"} </dev/null &
lanes=($!)
set +m
wait "${lanes[@]}"
lanes=()

# --- Result --------------------------------------------------------------------------------------------------------

# The number behind a word in the summary that dotnet test ends with, or nothing.
counted() {
  awk -v word="$2:" '/^Test run summary:/ { found = 1 } found && $1 == word { print $2; exit }' "$temporary/$1.log"
}

# The names of the tests that failed, one to a line: "failed NAME (1s 234ms)".
failed_tests() {
  sed -n -E 's/^failed (.*[^ ]) \(([0-9]+[a-z]+ ?)+\)$/\1/p' "$temporary/$1.log"
}

# Counts the tests of a project.
count() {
  local name=$1
  local code ok bad left failure failures=()
  code=$(code_of "$name")
  ok=$(counted "$name" succeeded) bad=$(counted "$name" failed) left=$(counted "$name" skipped)
  passed=$((passed + ${ok:-0}))
  skipped=$((skipped + ${left:-0}))
  if [ "${bad:-0}" -gt 0 ]; then
    while IFS= read -r failure; do
      failures+=("$failure")
    done < <(failed_tests "$name")
    # 2: nothing but failed tests.
    if [ "$code" = 2 ] && [ ${#failures[@]} -eq "$bad" ] && repeated "$name" "${failures[@]}"; then
      passed=$((passed + bad))
      unstable+=("${failures[@]}")
      return
    fi
    # Here again, since often only the end of a log is seen.
    problem "$name.Tests: $bad of its tests" "$bad"
    for failure in ${failures[@]+"${failures[@]}"}; do
      problems+=("  $failure")
    done
  elif [ "$code" != 0 ] || [ -z "$ok" ]; then
    # Crashed, ran out of time, held no test, or did not run.
    problem "$name.Tests ended with exit code $code"
  fi
}

# Runs the failed tests of a project once more; succeeds if all of them pass.
repeated() {
  local name=$1 failure methods=()
  shift
  [ $# -le "$most_repeated" ] || return 1
  for failure in "$@"; do
    # All cases of a theory: the arguments cannot be selected.
    methods+=(--filter-method "${failure%%(*}")
  done
  step "$name.Tests: once more"
  test_project "$name" "${methods[@]}"
}

if $is_all && [ "$(code_of check_format)" != 0 ]; then
  problem "the format; mend it by: dotnet format Actors.sln"
fi
for name in "${projects[@]}"; do
  count "$name"
done

finish
