# shellcheck shell=bash
# The programs that come as Go modules, built once into the cache: Kubernetes,
# etcd, CoreDNS, and our two small ones (volume provisioner, pause).

KUBERNETES_PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
KUBERNETES_LDFLAGS="-s -w -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35 \
-X k8s.io/component-base/version.gitVersion=v$KUBERNETES_VERSION"

build_all() {
  local missing=() p
  for p in etcd etcdctl coredns "${KUBERNETES_PROGRAMS[@]}" provisioner pause; do
    [[ -x $(bin "$p") ]] || missing+=("$p")
  done
  if ((${#missing[@]})); then
    ensure_go
    mkdir -p "$SDM_CACHE" "$LOGS"
    # Two checkouts share the cache: one builds, the other waits and finds it done.
    exec 8>"$SDM_CACHE/.build.lock"
    flock 8
    for p in "${missing[@]}"; do build "$p"; done
    exec 8>&-
  fi
  [[ -s $(pause_archive) ]] || pack_pause
}

# build PROGRAM: unless somebody did it meanwhile.
build() {
  local out
  out=$(bin "$1")
  [[ -x $out ]] && return
  case $1 in
    etcd) go_build etcd "$out" go.etcd.io/etcd/server/v3 ;;
    etcdctl) go_build etcd "$out" go.etcd.io/etcd/etcdctl/v3 ;;
    coredns | provisioner | pause) go_build "$1" "$out" . ;;
    *)
      say "building Kubernetes $KUBERNETES_VERSION: once, about 6 minutes on two cores"
      go_build kubernetes "$out" "k8s.io/kubernetes/cmd/$1"
      ;;
  esac
}

# go_build MODULE OUT PACKAGE: OUT appears when it is whole.
go_build() {
  local module=$1 out=$2 package=$3 flags='-s -w' tags='' log pid
  [[ $module != kubernetes ]] || { flags=$KUBERNETES_LDFLAGS tags=providerless; }
  log=$LOGS/build-$(basename "$out").log
  mkdir -p "$(dirname "$out")"
  step "built $(basename "$out")"
  (
    cd "$LOCAL_DIR/go/$module" || exit
    CGO_ENABLED=0 GOWORK=off nice go build -mod=readonly -trimpath -tags "$tags" -ldflags "$flags" -o "$out.new" "$package"
  ) </dev/null >"$log" 2>&1 8>&- 9>&- &
  pid=$!
  # A sign of life, for those who watch and for runners that stop silent jobs.
  local next=$((SECONDS + 60))
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= next)); then
      say "still building $(basename "$out") ($(seconds_since "$STEP_BEGAN") s)"
      next=$((SECONDS + 60))
    fi
    sleep 0.2
  done
  wait "$pid" || {
    tail -n 15 "$log" >&2
    fail "building $(basename "$out") failed" "the whole log is $log"
  }
  mv "$out.new" "$out"
  done_step
}

pause_archive() { printf '%s/image.tar' "$(dirname "$(bin pause)")"; }
pack_pause() {
  local root
  root=$(mktemp -d)
  install -m 0755 "$(bin pause)" "$root/pause"
  mkdir -p "$(dirname "$(pause_archive)")"
  python3 "$REPO/deploy/images/pack.py" --rootfs "$root" --ref "$PAUSE_IMAGE" --out "$(pause_archive)" \
    --entrypoint '["/pause"]' --user 65535:65535 >/dev/null || fail "packing the pause image failed"
  rm -rf "$root"
}
