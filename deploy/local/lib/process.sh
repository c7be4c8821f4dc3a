# shellcheck shell=bash
# Daemons by recorded pid. A process is ours when its own environment says so:
# every daemon carries SDM_LOCAL_NODE=<state directory> and SDM_LOCAL_PROCESS,
# which no reused pid has and which survives a lost pid file.

# has_mark PID NAME|'': is it a living process of this state directory?
has_mark() {
  local marks
  marks=$({ tr '\0' '\n' <"/proc/$1/environ" | grep -E '^SDM_LOCAL_(NODE|PROCESS)='; } 2>/dev/null) || return 1
  grep -qxF "SDM_LOCAL_NODE=$SDM_STATE" <<<"$marks" || return 1
  [[ -z $2 ]] || grep -qxF "SDM_LOCAL_PROCESS=$2" <<<"$marks"
}

pid_of() { cat "$PIDS/$1" 2>/dev/null; }

alive() {
  local pid
  pid=$(pid_of "$1") && [[ -n $pid ]] && has_mark "$pid" "$1"
}

# What this run has started.
declare -gA BEGUN

# start NAME COMMAND...: detached, without our descriptors, output to logs/NAME.log.
start() {
  local name=$1 log=$LOGS/$1.log fd
  shift
  mkdir -p "$LOGS" "$PIDS"
  [[ ! -s $log ]] || mv -f "$log" "$log.1"
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2)) || eval "exec $fd>&-" 2>/dev/null || true
    done
    cd /
    exec env -u NOTIFY_SOCKET -u KUBECONFIG -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY \
      SDM_LOCAL_NODE="$SDM_STATE" SDM_LOCAL_PROCESS="$name" \
      setsid nohup "$@" </dev/null >"$log" 2>&1
  ) &
  printf '%s\n' "$!" >"$PIDS/$name"
  disown "$!"
  BEGUN[$name]=1
}

# ended NAME: it does not live. What this run has just started may have yet to become the program, on a busy machine for
# a while.
ended() {
  ! alive "$1" && { [[ -z ${BEGUN[$1]:-} ]] || ! kill -0 "$(pid_of "$1")" 2>/dev/null; }
}

# started NAME SECONDS WHAT COMMAND...: waits for readiness, watches the process. One that was there already and ends just
# now is started by AGAIN.
started() {
  local name=$1 limit=$2 what=$3 deadline=$((SECONDS + $2))
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ended "$name"; then
      [[ -n ${AGAIN:-} && -z ${BEGUN[$name]:-} ]] || fail_log "$name" "$name stopped while starting"
      "$AGAIN"
      # One that was told to end may have taken as long as one that starts.
      deadline=$((SECONDS + limit))
    fi
    ((SECONDS < deadline)) || fail_log "$name" "$what is not ready in time"
    sleep 0.1
  done
}
fail_log() {
  printf -- '--- last lines of %s\n' "$LOGS/$1.log" >&2
  tail -n 15 "$LOGS/$1.log" >&2 || true
  fail "$2" "the whole log is $LOGS/$1.log; 'make down' clears everything away"
}

# stop NAME SECONDS: SIGTERM, SIGKILL when the time is over.
stop() {
  local name=$1 pid deadline=$((SECONDS + $2))
  if alive "$name"; then
    pid=$(pid_of "$name")
    kill -TERM "$pid" 2>/dev/null || true
    while has_mark "$pid" "$name"; do
      if ((SECONDS >= deadline)); then
        kill -KILL "$pid" 2>/dev/null || true
        wait_for 5 not has_mark "$pid" "$name" || true
        break
      fi
      sleep 0.05
    done
  fi
  rm -f "$PIDS/$name"
}
not() { ! "$@"; }

# marked_pids [STATE]: every living process that a daemon of ours is or started.
marked_pids() {
  local state=${1:-$SDM_STATE} file pid
  while IFS= read -r file; do
    pid=${file#/proc/}
    printf '%s\n' "${pid%%/*}"
  done < <(grep -lzxsF "SDM_LOCAL_NODE=$state" /proc/[0-9]*/environ || true)
}

# kill_marked: whatever of ours still lives, shims included.
kill_marked() {
  local round pids
  for round in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(marked_pids "$@")
    [[ -n $pids ]] || return 0
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    sleep 0.1
  done
  : "$round"
  return 1
}
