# shellcheck shell=bash
# What the node changes on the machine outside of its state directory: the
# bridge and its addresses, one nftables table, sysctls, cgroups. All of it is
# recorded in .local/before or carries our name, and is undone by `down`.

# Sysctls that we set, and those that the kubelet and kube-proxy set.
SYSCTLS=(net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.ipv4.conf.all.route_localnet
  vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys
  kernel.keys.root_maxbytes fs.inotify.max_user_instances fs.inotify.max_user_watches)

record_before() {
  local key file boot
  boot=$(</proc/sys/kernel/random/boot_id)
  [[ $(cat "$BEFORE/boot" 2>/dev/null) != "$boot" ]] || return 0
  rm -rf "$BEFORE"
  mkdir -p "$BEFORE"
  for key in "${SYSCTLS[@]}"; do
    file=/proc/sys/${key//./\/}
    [[ -r $file ]] && printf '%s %s\n' "$key" "$(<"$file")" >>"$BEFORE/sysctls"
  done
  nft list tables >"$BEFORE/tables" 2>/dev/null || true
  # Places that a program insists on; removed by `down` if they were not there.
  for file in /var/lib/kubelet /run/containerd /run/netns /var/lib/cni /run/xtables.lock; do
    [[ -e $file ]] && printf '%s\n' "$file" >>"$BEFORE/paths"
  done
  printf '%s' "$boot" >"$BEFORE/boot"
}

# set_sysctl KEY VALUE: only when it is not so; at_least for limits.
set_sysctl() {
  local file=/proc/sys/${1//./\/}
  [[ -e $file ]] || return 1
  [[ $(<"$file") == "$2" ]] || printf '%s' "$2" >"$file" 2>/dev/null
}
at_least() {
  local file=/proc/sys/${1//./\/}
  [[ -e $file ]] || return 0
  (($(<"$file") >= $2)) || printf '%s' "$2" >"$file" 2>/dev/null || true
}

network() {
  local n
  step "network"
  [[ -e /proc/sys/net/bridge ]] || modprobe br_netfilter 2>/dev/null || true
  modprobe overlay 2>/dev/null || true
  set_sysctl net.ipv4.ip_forward 1 || fail "cannot switch on net.ipv4.ip_forward"
  set_sysctl net.bridge.bridge-nf-call-iptables 1 ||
    fail "the kernel module br_netfilter is not there; Services do not work without it" "modprobe br_netfilter"
  at_least fs.inotify.max_user_instances 1024
  at_least fs.inotify.max_user_watches 262144

  if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
    [[ -z $(ip -4 -o addr show to "$HOST_IP") ]] || fail "another interface has the address $HOST_IP"
    ip link add "$BRIDGE" type bridge
  fi
  # A bridge takes the lowest hardware address of its ports unless it is given one, and whenever a pod comes or goes that
  # may be another: all that pods then send to DNS and to Services is lost until they ask again, half a minute later.
  ip link set "$BRIDGE" address "$BRIDGE_MAC"
  add_address "$HOST_IP/16"
  ip link set "$BRIDGE" up
  add_address "$DNS_IP/32"
  for n in $(seq "$NODES"); do add_address "$(node_ip "$n")/32"; done
  # Service addresses leave by the bridge, also where there is no default route.
  ip route replace "$SERVICE_CIDR" dev "$BRIDGE" src "$HOST_IP"

  # Pods reach the outside under the machine's address.
  nft -f - <<NFT
table ip $NFT_TABLE
delete table ip $NFT_TABLE
table ip $NFT_TABLE {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr $POD_CIDR ip daddr != { $POD_CIDR, $SERVICE_CIDR, 224.0.0.0/4 } masquerade
  }
}
NFT
  # Docker and some firewalls drop what is forwarded: let our bridge through.
  if [[ $(nft list chain ip filter FORWARD 2>/dev/null) == *'policy drop'* ]]; then
    iptables -C FORWARD -i "$BRIDGE" -m comment --comment "$NFT_TABLE" -j ACCEPT 2>/dev/null ||
      iptables -I FORWARD -i "$BRIDGE" -m comment --comment "$NFT_TABLE" -j ACCEPT
    iptables -C FORWARD -o "$BRIDGE" -m comment --comment "$NFT_TABLE" -j ACCEPT 2>/dev/null ||
      iptables -I FORWARD -o "$BRIDGE" -m comment --comment "$NFT_TABLE" -j ACCEPT
  fi
  done_step
}
add_address() {
  ip addr replace "$1" dev "$BRIDGE"
}

# cgroups of node N: one per controller on version 1, one on version 2.
cgroup_dirs() {
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    printf '/sys/fs/cgroup/%s\n' "$(node_name "$1")"
  else
    local dir
    for dir in /sys/fs/cgroup/*/; do
      [[ -L ${dir%/} || ! -e $dir/cgroup.procs ]] || printf '%s%s\n' "$dir" "$(node_name "$1")"
    done
  fi
}
make_cgroups() {
  local dir c root=/sys/fs/cgroup
  if [[ -e $root/cgroup.controllers ]]; then
    for c in cpuset cpu io memory pids hugetlb; do
      grep -qw "$c" $root/cgroup.controllers || continue
      grep -qw "$c" $root/cgroup.subtree_control && continue
      printf '+%s' "$c" >$root/cgroup.subtree_control 2>/dev/null ||
        fail "cannot delegate the cgroup controller $c" "run this on a machine or VM, not in a container without its own cgroup root"
    done
  fi
  cgroup_dirs "$1" | while IFS= read -r dir; do
    mkdir -p "$dir"
    # A new cpuset is empty, and nothing can enter it so.
    if [[ -e $dir/cpuset.cpus && -z $(<"$dir/cpuset.cpus") && ! -e $root/cgroup.controllers ]]; then
      cat "${dir%/*}/cpuset.cpus" >"$dir/cpuset.cpus"
      cat "${dir%/*}/cpuset.mems" >"$dir/cpuset.mems"
    fi
  done
}
