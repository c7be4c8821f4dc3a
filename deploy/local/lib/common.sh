# shellcheck shell=bash
# Names, addresses and paths of the local node, and how its scripts talk to a
# person: steps with their time, errors with a hint. Sourced by every entry.

LOCAL_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
REPO=$(cd "$LOCAL_DIR/../.." && pwd -P)
SDM_CACHE=${SDM_CACHE:-$HOME/.cache/sdm}
if [[ -z ${SDM_STATE:-} ]]; then
  SDM_STATE=$REPO/.local
  if ((${#SDM_STATE} > 60)); then
    # Sockets lie below it, and their paths are short: the state goes elsewhere, with a link to it.
    SDM_STATE=/var/tmp/sdm-local-$(printf '%s' "$REPO" | sha256sum | cut -c1-12)
    mkdir -p "$SDM_STATE"
    [[ -e $REPO/.local ]] || ln -s "$SDM_STATE" "$REPO/.local"
  fi
fi
[[ $SDM_STATE == /* ]] || SDM_STATE=$PWD/$SDM_STATE

KUBERNETES_VERSION=1.35.4
ETCD_VERSION=3.6.16
COREDNS_VERSION=1.15.0
# Debian keeps these out of a user's PATH.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The whole machine has one local node: one bridge, one set of addresses.
BRIDGE=sdm0
BRIDGE_MAC=0a:58:0a:58:00:01 # 0a:58 and the address, as CNI plugins write it
POD_CIDR=10.88.0.0/16
HOST_IP=10.88.0.1 # API server, and the pods' gateway
DNS_IP=10.88.0.10 # CoreDNS; nodes are 10.88.0.11 and up, pods 10.88.1.0 and up
SERVICE_CIDR=10.89.0.0/16
API_SERVICE_IP=10.89.0.1
DNS_SERVICE_IP=10.89.0.10
API_PORT=6443
API_URL=https://$HOST_IP:$API_PORT
ETCD_PORT=12379
NFT_TABLE=sdm_local
PAUSE_IMAGE=docker.io/streamingdatamanager/pause:local
# Says which checkout's node runs on this machine.
OWNER_FILE=/run/sdm-local.owner

PKI=$SDM_STATE/pki
LOGS=$SDM_STATE/logs
PIDS=$SDM_STATE/pids
CONF=$SDM_STATE/conf
BEFORE=$SDM_STATE/before # what the machine looked like before `up` changed it
ADMIN_KUBECONFIG=$SDM_STATE/kubeconfig

node_name() { printf 'sdm-node-%s' "$1"; }
node_ip() { printf '10.88.0.%s' "$((10 + $1))"; }
node_zone() {
  local zones=(a b c)
  printf 'zone-%s' "${zones[$1 - 1]}"
}
node_dir() { printf '%s/nodes/%s' "$SDM_STATE" "$1"; }
# Numbers of the nodes that were started and not taken down, dead ones included.
known_nodes() {
  local conf
  for conf in "$SDM_STATE"/nodes/[1-3]/containerd.toml; do [[ ! -e $conf ]] || basename "$(dirname "$conf")"; done
}
# node_number sdm-node-2 | 2
node_number() {
  local n=${1#sdm-node-}
  [[ $n =~ ^[1-3]$ && -e $(node_dir "$n")/containerd.toml ]] || fail "there is no node '$1'" "deploy/local/status lists them"
  printf '%s' "$n"
}

# The bridge is here, whatever proxy leads elsewhere.
NO_PROXY_HERE=$POD_CIDR,$SERVICE_CIDR,127.0.0.1
export NO_PROXY=${NO_PROXY:+$NO_PROXY,}$NO_PROXY_HERE no_proxy=${no_proxy:+$no_proxy,}$NO_PROXY_HERE

UP_BEGAN=$EPOCHREALTIME
STEP='' STEP_BEGAN=$UP_BEGAN
micros() { local t=${EPOCHREALTIME/[.,]/}; printf '%s' "$t"; }
# seconds_since EPOCHREALTIME
seconds_since() {
  local d=$(($(micros) - ${1/[.,]/}))
  printf '%d.%d' $((d / 1000000)) $((d % 1000000 / 100000))
}
# step TEXT: names what is being done; done_step says how long it took.
step() {
  STEP=$1 STEP_BEGAN=$EPOCHREALTIME
}
done_step() {
  printf '  %6s s  %s\n' "$(seconds_since "$STEP_BEGAN")" "${1:-$STEP}"
  STEP=''
}
say() { printf '            %s\n' "$*"; }
# fail WHAT [HINT]
fail() {
  printf 'error: %s\n' "$1" >&2
  [[ -z ${2:-} ]] || printf 'hint: %s\n' "$2" >&2
  exit 1
}

# wait_for SECONDS COMMAND...: until it succeeds; 1 when the time is over.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

need_root() {
  [[ $(uname -s) == Linux ]] || fail "the local node needs Linux" "set KUBECONFIG to any Kubernetes instead"
  [[ $EUID -eq 0 ]] || fail "the local node needs root: it starts containers" "sudo -E $0, or set KUBECONFIG to any Kubernetes"
}

# One up, down or node command at a time per state directory. The lock's file
# descriptor is 9; daemons are started without it.
take_lock() {
  mkdir -p "$SDM_STATE"
  chmod 0755 "$SDM_STATE"
  exec 9>"$SDM_STATE/lock"
  flock -w 600 9 || fail "another command is at work on $SDM_STATE since 10 minutes"
}

# bin PROGRAM: its path, from KUBE_BIN_DIR when it is there, else from the cache.
bin() {
  local dir
  if [[ -n ${KUBE_BIN_DIR:-} && -x $KUBE_BIN_DIR/$1 ]]; then
    printf '%s/%s' "$KUBE_BIN_DIR" "$1"
    return
  fi
  case $1 in
    etcd | etcdctl) dir=etcd-$ETCD_VERSION ;;
    coredns) dir=coredns-$COREDNS_VERSION ;;
    provisioner | pause) dir=$1-$(sources_hash "$1") ;;
    *) dir=kubernetes-$KUBERNETES_VERSION ;;
  esac
  printf '%s/%s/%s' "$SDM_CACHE" "$dir" "$1"
}
sources_hash() {
  cat "$LOCAL_DIR/go/$1"/*.go "$LOCAL_DIR/go/$1"/go.* | sha256sum | cut -c1-12
}
kubectl() { "$(bin kubectl)" --kubeconfig "$ADMIN_KUBECONFIG" "$@"; }
