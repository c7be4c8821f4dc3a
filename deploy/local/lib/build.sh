# shellcheck shell=bash
# The programs that come as Go modules, built once into the cache: Kubernetes,
# etcd, CoreDNS, and our two small ones (volume provisioner, pause).

KUBERNETES_PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
KUBERNETES_LDFLAGS="-s -w -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35 \
-X k8s.io/component-base/version.gitVersion=v$KUBERNETES_VERSION"

build_all() {
  local p missing=0
  for p in etcd etcdctl coredns "${KUBERNETES_PROGRAMS[@]}" provisioner pause; do
    [[ -x $(bin "$p") ]] || missing=1
  done
  if ((missing)); then
    ensure_go
    mkdir -p "$SDM_CACHE" "$LOGS"
    # Two checkouts share the cache: one builds, the other waits and finds it done.
    exec 8>"$SDM_CACHE/.build.lock"
    flock 8
    go_build etcd etcd:go.etcd.io/etcd/server/v3 etcdctl:go.etcd.io/etcd/etcdctl/v3
    go_build coredns coredns:.
    go_build kubernetes "${KUBERNETES_PROGRAMS[@]/%/:}"
    go_build provisioner provisioner:.
    go_build pause pause:.
    exec 8>&-
  fi
  [[ -s $(pause_archive) ]] || pack_pause
}

# go_build MODULE PROGRAM:PACKAGE...: those that are not there, in one call, since
# they share most of their packages. A program appears when it is whole.
go_build() {
  local module=$1 spec program package log pid next new flags='-s -w' tags='' programs=() packages=()
  shift
  [[ $module != kubernetes ]] || flags=$KUBERNETES_LDFLAGS tags=providerless
  for spec in "$@"; do
    program=${spec%%:*} package=${spec#*:}
    [[ -x $(bin "$program") ]] && continue
    programs+=("$program")
    packages+=("${package:-k8s.io/kubernetes/cmd/$program}")
  done
  ((${#programs[@]})) || return 0
  step "built ${programs[*]}"
  [[ $module != kubernetes ]] || say "building Kubernetes $KUBERNETES_VERSION: once, about 6 minutes on two cores"
  log=$LOGS/build-$module.log
  new=$SDM_CACHE/.new-$module
  rm -rf "$new"
  mkdir -p "$new"
  (
    cd "$LOCAL_DIR/go/$module" || exit
    CGO_ENABLED=0 GOWORK=off nice go build -mod=readonly -trimpath -tags "$tags" -ldflags "$flags" -o "$new/" "${packages[@]}"
  ) </dev/null >"$log" 2>&1 8>&- 9>&- &
  pid=$!
  # A sign of life, for those who watch and for runners that stop silent jobs.
  next=$((SECONDS + 60))
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= next)); then
      say "still building ($(seconds_since "$STEP_BEGAN") s)"
      next=$((SECONDS + 60))
    fi
    sleep 0.2
  done
  wait "$pid" || {
    tail -n 15 "$log" >&2
    fail "building ${programs[*]} failed" "the whole log is $log"
  }
  [[ ! -e $new/server ]] || mv "$new/server" "$new/etcd" # so its package is called
  for program in "${programs[@]}"; do
    mkdir -p "$(dirname "$(bin "$program")")"
    mv "$new/$program" "$(bin "$program")"
  done
  rm -rf "$new"
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
