# shellcheck shell=bash
# Undoing `up`: pods, programs in the reverse order, then what they leave in the
# kernel. Every part works when the others are gone already.

# The pods in the way Kubernetes ends them, as far as it still works: their
# volumes are unmounted and their addresses given back. The scheduler stops
# first, so that nothing that replaces them starts.
pods_down() {
  local n running=0
  for n in $(known_nodes); do ! alive "kubelet-$n" || running=1; done
  stop kube-scheduler 5
  ((running)) && alive kube-apiserver && alive etcd || return 0
  step "pods stopped"
  timeout 20 "$(bin kubectl)" --kubeconfig "$ADMIN_KUBECONFIG" --request-timeout=10s \
    delete pods --all --all-namespaces --grace-period=1 --wait=false >/dev/null 2>&1 || true
  wait_for 15 no_tasks || true
  done_step
}
no_tasks() {
  local n
  for n in $(known_nodes); do
    alive "containerd-$n" || continue
    [[ -z $(timeout 5 ctr --address "$(containerd_socket "$n")" -n k8s.io containers list -q 2>/dev/null) ]] || return 1
  done
}

programs_down() {
  local n
  step "programs stopped"
  for n in $(known_nodes); do stop "kubelet-$n" 5; done
  for n in kube-proxy provisioner coredns kube-controller-manager; do stop "$n" 5; done
  # Before etcd: an API server whose etcd is gone does not end.
  if alive etcd; then stop kube-apiserver 10; else stop kube-apiserver 1; fi
  stop etcd 10
  done_step
}

# containers_down: left-over containers of node N. Its image store is kept for
# the next start if all of it could be cleared, and removed otherwise.
containers_down() {
  local n=$1 dir clean=1 pid
  dir=$(node_dir "$n")
  if alive "containerd-$n"; then
    local containers
    if containers=$(timeout 10 ctr --address "$(containerd_socket "$n")" -n k8s.io containers list -q 2>/dev/null); then
      for pid in $containers; do
        timeout 10 ctr --address "$(containerd_socket "$n")" -n k8s.io tasks delete -f "$pid" >/dev/null 2>&1 || true
        timeout 10 ctr --address "$(containerd_socket "$n")" -n k8s.io containers delete "$pid" >/dev/null 2>&1 || clean=0
      done
    else
      clean=0
    fi
    stop "containerd-$n" 10
  else
    # It died before us: only a root without containers is sure to be clean.
    [[ ! -d $dir/containerd ]] || clean=0
  fi
  # Its snapshots may be mounted yet: `down` removes it after the mounts.
  ((clean)) || touch "$dir/unclean"
}

# kill_cgroup N: whatever still runs in the node's pods.
kill_cgroup() {
  local dir round pids
  for round in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(while IFS= read -r dir; do
      [[ ! -d $dir ]] || find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done < <(cgroup_dirs "$1") | sort -un)
    [[ -n $pids ]] || return 0
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    sleep 0.2
  done
  : "$round"
}
remove_cgroups() {
  local dir
  cgroup_dirs "$1" | while IFS= read -r dir; do
    [[ ! -d $dir ]] || find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# Everything mounted below the state directory, the deepest first.
mounts_down() {
  local target round
  for round in 1 2 3; do
    awk -v p="$SDM_STATE/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while IFS= read -r target; do
      umount -l "$(printf '%b' "$target")" 2>/dev/null || true
    done
    awk -v p="$SDM_STATE/" 'index($5, p) == 1 { exit 1 }' /proc/self/mountinfo && return
  done
  : "$round"
}

network_down() {
  local dev key value rules
  if ip link show "$BRIDGE" >/dev/null 2>&1; then
    for dev in /sys/class/net/"$BRIDGE"/brif/*; do
      [[ ! -e $dev ]] || ip link delete "$(basename "$dev")" 2>/dev/null || true
    done
    ip link delete "$BRIDGE"
  fi
  nft delete table ip "$NFT_TABLE" 2>/dev/null || true
  # kube-proxy's tables, unless another one's were here before.
  for dev in ip ip6; do
    grep -qxF "table $dev kube-proxy" "$BEFORE/tables" 2>/dev/null || nft delete table "$dev" kube-proxy 2>/dev/null || true
  done
  # Rules for host ports (by the portmap plugin) and for our bridge.
  rules=$(iptables-save 2>/dev/null | grep -E "CNI-(HOSTPORT|DN)-|--comment $NFT_TABLE" || true)
  if [[ -n $rules ]]; then
    iptables-save 2>/dev/null | grep -vE "CNI-(HOSTPORT|DN)-|--comment \"?$NFT_TABLE" | iptables-restore || true
  fi
  # Tables that iptables made for them and that are empty now.
  for dev in nat filter mangle; do
    grep -qxF "table ip $dev" "$BEFORE/tables" 2>/dev/null && continue
    nft list table ip "$dev" 2>/dev/null | grep -vE '^(table|#)|^\s*(chain [A-Z]+ \{|type .*|\}|)$' >/dev/null ||
      nft delete table ip "$dev" 2>/dev/null || true
  done
  # Connections through addresses that are gone.
  conntrack -D -s "$POD_CIDR" >/dev/null 2>&1 || true
  while read -r key value; do
    printf '%s' "$value" 2>/dev/null >"/proc/sys/${key//./\/}" || true
  done < <(cat "$BEFORE/sysctls" 2>/dev/null || true)
}

# Directories that programs made outside of the state directory.
paths_down() {
  local path
  [[ -e $BEFORE/boot ]] || return 0
  was_there() { grep -qxF "$1" "$BEFORE/paths" 2>/dev/null; }
  for path in /var/lib/kubelet/device-plugins /var/lib/kubelet/pod-resources; do
    was_there /var/lib/kubelet || rm -rf "$path"
  done
  # Sockets of shims that were killed. Another containerd may have come since.
  was_there /run/containerd || [[ -e /run/containerd/containerd.sock ]] || rm -rf /run/containerd/s
  was_there /run/xtables.lock || rm -f /run/xtables.lock
  for path in /var/lib/kubelet /run/containerd/s /run/containerd/io.containerd.runtime.v2.task \
    /run/containerd/fifo /run/containerd /run/netns /var/lib/cni/cache /var/lib/cni/results /var/lib/cni; do
    was_there "$path" || rmdir "$path" 2>/dev/null || true
  done
}
