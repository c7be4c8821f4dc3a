# shellcheck shell=bash
# One local node per machine: whose is it? A node of a checkout that is gone, or
# whose processes have all died, is taken over; a living one is not.

claim_machine() {
  local owner
  owner=$(cat "$OWNER_FILE" 2>/dev/null || true)
  if [[ -n $owner && $owner != "$SDM_STATE" ]]; then
    if [[ -d $owner && -n $(marked_pids "$owner") ]]; then
      [[ ${SDM_TAKE_OVER:-} ]] || fail "another checkout's local node runs on this machine: $owner" \
        "SDM_STATE='$owner' $LOCAL_DIR/down, or set SDM_TAKE_OVER=1 to have that done"
    fi
    say "removing what is left of the node of $owner"
    SDM_STATE=$owner "$LOCAL_DIR/down" >/dev/null || fail "could not stop the node of $owner"
  fi
  mkdir -p "$(dirname "$OWNER_FILE")"
  printf '%s\n' "$SDM_STATE" >"$OWNER_FILE"
}
