#!/bin/bash
# Stands in for systemctl and journalctl in the tests of runbooks: runs one depot, in the folder of RUNBOOK, with the settings of
# RUNBOOK/environment. Called as journalctl, prints its log.
set -eu
pid=$RUNBOOK/pid log=$RUNBOOK/log

is_running() { [ -e "$pid" ] && grep -qs '^State:.[^Z]' "/proc/$(cat "$pid")/status"; }

start() {
  if is_running; then return; fi
  set -a
  . "$RUNBOOK/environment"
  set +a
  touch "$log"
  local before
  before=$(wc -c < "$log")
  hart-depot serve >> "$log" 2>&1 < /dev/null &
  echo $! > "$pid"
  until tail -c "+$((before + 1))" "$log" | grep -q '^hart-depot listens on'; do
    is_running || { tail -n 20 "$log" >&2; echo "Job for hart-depot.service failed. See \"journalctl -u hart-depot\"." >&2; exit 1; }
    sleep 0.1
  done
}

stop() {
  if ! is_running; then return; fi
  kill "$(cat "$pid")"
  while is_running; do sleep 0.1; done
}

if [ "$(basename "$0")" = journalctl ]; then
  cat "$log"
  exit
fi
case $1 in
  start) start ;;
  stop) stop ;;
  restart) stop && start ;;
  show) cat "$pid" ;; # --property MainPID --value
  status) if is_running; then echo 'active (running)'; else echo 'inactive (dead)'; fi ;;
  *) echo "systemctl: unknown command $1" >&2 && exit 2 ;;
esac
