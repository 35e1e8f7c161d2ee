#!/usr/bin/env bash
# audit-ledger.sh http://127.0.0.1:9636 [SEQUENCE HASH]: audits a depot's ledger (docs/ledger.md), and checks that it still has an earlier head.
set -euo pipefail
[[ $# =~ ^[13]$ && ${1-} && ${2-0} =~ ^[0-9]+$ && ${3-$(printf '0%.0s' {1..64})} =~ ^[0-9a-f]{64}$ ]] || { echo 'usage: audit-ledger.sh URL [SEQUENCE HASH], with HART_DEPOT_TOKEN to see private entries' >&2; exit 2; }
depot=${1%/} noted="${2:-0} ${3:-}" hash=$(printf '0%.0s' {1..64}) last=0 texts=0 page='/api/v1/events?after=0&limit=1000'
ask() { curl -sS --fail-with-body ${HART_DEPOT_TOKEN:+-H "Authorization: Bearer $HART_DEPOT_TOKEN"} "$depot$1" > answer && cat answer || { code=$?; [ ! -s answer ] || cat answer >&2; exit $code; }; }
fail() { echo "audit-ledger: $*" >&2; exit 1; }
folder=$(mktemp -d) && cd "$folder" && trap 'rm -rf "$folder"' EXIT; head=$(ask /api/v1/ledger | jq -r '"\(.sequence) \(.hash)"')
while [ "$page" != null ]; do
  ask "$page" > page && jq -r '.events[] | .sequence, .salt // "", .text // "", .digest, .hash' page > lines && page=$(jq -r .next page)
  while read -r sequence && IFS= read -r salt && IFS= read -r text && read -r digest && read -r claimed; do
    [ "$sequence" = $((last + 1)) ] && [[ $digest$claimed =~ ^[0-9a-f]{128}$ ]] || fail "entry $((last + 1)) or its hash is missing"
    printf '%s\n%s\n%s\n' "$hash" "$sequence" "$digest" > hash.$sequence && echo "$claimed  hash.$sequence" >&3
    [ -z "$salt$text" ] || { printf %s "$salt$text" > text.$sequence && echo "$digest  text.$sequence" >&3 && texts=$((texts + 1)); }
    for known in "$noted" "$head"; do [ "${known% *}" != "$sequence" ] || [ "$known" = "$sequence $claimed" ] || fail "entry $known has changed"; done
    hash=$claimed last=$sequence
  done < lines 3> sums
  sha256sum --check --strict --quiet sums >&2 && rm -f hash.* text.* || fail 'a hash does not match its entry'
done
[ "$last" -ge "${head% *}" ] && [ "$last" -ge "${noted% *}" ] || fail "the ledger ends at $last"; echo "head $last  $hash: $last entries, $texts with their text"
