# shellcheck shell=bash
# A Kubernetes node: its own containerd (root, state, socket, runc root), its own
# kubelet (root, address, cgroup), the bridge and address pool shared by all.

containerd_socket() { printf '%s/containerd.sock' "$(node_dir "$1")"; }
ctr_on() {
  local n=$1
  shift
  ctr --address "$(containerd_socket "$n")" --namespace k8s.io "$@"
}

# A directory on overlayfs (a container's root) cannot carry overlayfs itself.
snapshotter() {
  case $(stat -f -c %T "$SDM_STATE") in
    overlayfs | aufs | nfs | fuseblk) printf native ;;
    *) printf overlayfs ;;
  esac
}

cni_conf() {
  mkdir -p "$CONF/cni"
  cat >"$CONF/cni/10-sdm.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "sdm-local", "plugins": [
  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$SDM_STATE/ipam",
     "ranges": [[{"subnet": "$POD_CIDR", "rangeStart": "10.88.1.0", "rangeEnd": "10.88.255.250", "gateway": "$HOST_IP"}]],
     "routes": [{"dst": "0.0.0.0/0", "gw": "$HOST_IP"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}
JSON
}

containerd_start() {
  local n=$1 dir
  alive "containerd-$n" && return
  dir=$(node_dir "$n")
  mkdir -p "$dir"
  chmod 0711 "$SDM_STATE/nodes" "$dir"
  cni_conf
  cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd"
state = "$dir/run"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$(containerd_socket "$n")"
[ttrpc]
  address = "$(containerd_socket "$n").ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  # Where CAP_SYS_RESOURCE is dropped no sandbox starts without this.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  tolerate_missing_hugetlb_controller = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "$(cni_bin_dir)"
  conf_dir = "$CONF/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "$(snapshotter)"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = "$dir/runc"
TOML
  start "containerd-$n" containerd --config "$dir/containerd.toml"
}
containerd_ready() {
  local n=$1
  step "containerd of $(node_name "$n")"
  started "containerd-$n" 30 containerd ctr_on "$n" version
  load_image "$n" "$(pause_archive)" >/dev/null
  done_step
}

kubelet_conf() {
  local n=$1 dir
  dir=$(node_dir "$n")
  : >"$CONF/resolv.conf" # no search domains and servers of the machine's in pods
  cat >"$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_ip "$n")
port: 10250
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
healthzPort: $((10240 + n))
containerRuntimeEndpoint: unix://$(containerd_socket "$n")
cgroupDriver: cgroupfs
cgroupRoot: /$(node_name "$n")
# Kubelets that share a directory take each other's logs for leftovers and delete them.
podLogsDir: $dir/logs
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $CONF/resolv.conf
tlsCertFile: $PKI/node-$n.crt
tlsPrivateKeyFile: $PKI/node-$n.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
serializeImagePulls: false
registerNode: true
# A developer's disk is often nearly full; images that we loaded must stay.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
featureGates: {PodCertificateRequest: true, ClusterTrustBundle: true, ClusterTrustBundleProjection: true}
YAML
}

kubelet_start() {
  local n=$1
  alive "kubelet-$n" && return
  make_cgroups "$n"
  kubelet_conf "$n"
  mkdir -p "$(node_dir "$n")/kubelet"
  start "kubelet-$n" "$(bin kubelet)" --config "$(node_dir "$n")/kubelet.yaml" \
    --kubeconfig "$PKI/node-$n.kubeconfig" --root-dir "$(node_dir "$n")/kubelet" \
    --hostname-override "$(node_name "$n")" --node-ip "$(node_ip "$n")" \
    --node-labels "topology.kubernetes.io/zone=$(node_zone "$n"),topology.kubernetes.io/region=local"
}

# Ready, as told by a kubelet that lives now: its own health, then the API's view.
node_ready() {
  curl -fsS --noproxy '*' --max-time 2 "http://127.0.0.1:$((10240 + $1))/healthz" >/dev/null &&
    [[ $(kubectl get node "$(node_name "$1")" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') == True ]]
}

proxy_up() {
  alive kube-proxy && return
  step "kube-proxy"
  cat >"$CONF/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: $POD_CIDR
clientConnection: {kubeconfig: $PKI/proxy.kubeconfig}
hostnameOverride: $(node_name 1)
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
# Only on the bridge: nothing of the cluster shows on the machine's own addresses.
nodePortAddresses: [$POD_CIDR]
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
  start kube-proxy "$(bin kube-proxy)" --config "$CONF/proxy.yaml"
  # The API server's own Service is the proof that rules are written.
  started kube-proxy 60 kube-proxy curl -fsSk --noproxy '*' --max-time 2 "https://$API_SERVICE_IP/livez"
  done_step
}
