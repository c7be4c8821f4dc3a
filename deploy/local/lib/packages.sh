# shellcheck shell=bash
# What the machine must have: Debian packages, Go, Java and Maven, a C compiler
# and Rust. On Debian apt installs what is missing; elsewhere we say what is.

# program-or-file:package, as Debian names them.
NODE_NEEDS=(containerd:containerd ctr:containerd runc:runc iptables:iptables nft:nftables conntrack:conntrack
  socat:socat ethtool:ethtool jq:jq openssl:openssl ip:iproute2 flock:util-linux curl:curl python3:python3
  bridge@cni:containernetworking-plugins)
IMAGE_NEEDS=(mmdebstrap:mmdebstrap java:default-jre-headless mvn:maven python3:python3)
RUST_NEEDS=(cc:build-essential cmake:cmake make:make git:git)

# The directory of the CNI plugins, if they are here.
cni_bin_dir() {
  local dir
  for dir in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
    [[ -x $dir/bridge && -x $dir/host-local && -x $dir/portmap && -x $dir/loopback ]] && printf '%s' "$dir" && return
  done
  return 1
}
present() {
  case $1 in
    bridge@cni) cni_bin_dir >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# ensure NEEDS...: installs or names the packages of those that are missing.
ensure() {
  local need packages=()
  for need in "$@"; do
    present "${need%%:*}" && continue
    [[ " ${packages[*]-} " == *" ${need#*:} "* ]] || packages+=("${need#*:}")
  done
  ((${#packages[@]})) || return 0
  apt_install "${packages[@]}"
  for need in "$@"; do
    present "${need%%:*}" || fail "apt installed ${need#*:}, yet ${need%%:*} is not there"
  done
}

apt_install() {
  command -v apt-get >/dev/null || fail "this machine lacks: $*" \
    "install them with your package manager (the names are Debian's)"
  [[ $EUID -eq 0 ]] || fail "this machine lacks: $*" "sudo apt-get install $*"
  step "apt-get install $*"
  mkdir -p "$LOGS"
  # The lists may be stale or absent; a first attempt without them is faster.
  if ! apt_get install -y --no-install-recommends "$@" >"$LOGS/apt.log" 2>&1; then
    apt_get update >>"$LOGS/apt.log" 2>&1 || true
    apt_get install -y --no-install-recommends "$@" >>"$LOGS/apt.log" 2>&1 || {
      tail -n 15 "$LOGS/apt.log" >&2
      fail "apt-get could not install: $*" "the whole log is $LOGS/apt.log"
    }
  fi
  done_step
}
apt_get() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@" </dev/null; }

# Go fetches the exact toolchain that a go.mod asks for, from 1.21 on.
go_minor() {
  local v
  v=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || { printf 0; return; }
  v=${v#go1.}
  printf '%s' "${v%%[!0-9]*}"
}
ensure_go() {
  [[ -x /usr/local/go/bin/go ]] && PATH=$PATH:/usr/local/go/bin
  (($(go_minor) >= 21)) && return 0
  local offered=''
  if command -v apt-cache >/dev/null; then
    offered=$(apt-cache policy golang-go 2>/dev/null | sed -n 's/.*Candidate: [0-9]*:1\.\([0-9]*\).*/\1/p')
  fi
  if [[ -n $offered ]] && ((offered >= 21)); then
    apt_install golang-go
    return 0
  fi
  fail "Go 1.21 or later is missing; it builds Kubernetes, etcd and CoreDNS, once" \
    "unpack the current Go into /usr/local (go.dev/doc/install), or set KUBE_BIN_DIR to a directory of built programs"
}

ensure_rust() {
  [[ -x $HOME/.cargo/bin/cargo ]] && PATH=$PATH:$HOME/.cargo/bin
  command -v cargo >/dev/null || fail "Rust is missing; it builds the operator and kubectl-kafka" \
    "install rustup (rustup.rs, or 'apt-get install rustup' on Debian 13); the version comes from rust-toolchain.toml"
}
