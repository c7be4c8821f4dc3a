# shellcheck shell=bash
# What a cluster needs beyond Kubernetes itself: DNS and storage. Both are host
# processes with an identity of their own and no more rights than they use.

addons_manifest() {
  cat <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: local.kafka.sdm.dev
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "sdm:local-provisioner"}
rules:
  - {apiGroups: [""], resources: [persistentvolumes], verbs: [get, list, watch, create, update, patch, delete]}
  - {apiGroups: [""], resources: [persistentvolumeclaims], verbs: [get, list, watch, update]}
  - {apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}
  - {apiGroups: [""], resources: [events], verbs: [create, update, patch]}
  - {apiGroups: [storage.k8s.io], resources: [storageclasses], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "sdm:local-provisioner"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "sdm:local-provisioner"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "sdm:local-provisioner"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:coredns"}
rules:
  - {apiGroups: [""], resources: [services, namespaces], verbs: [list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:coredns"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:coredns"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:coredns"}]
---
# Pods ask $DNS_IP directly; this is for those who look for the usual name.
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: $DNS_SERVICE_IP
  ports:
    - {name: dns, port: 53, protocol: UDP}
    - {name: dns-tcp, port: 53, protocol: TCP}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [$DNS_IP], conditions: {ready: true}}]
ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
YAML
}

addons_start() {
  addons_manifest | kubectl apply -f - >"$LOGS/addons.log" 2>&1 || fail_log addons "applying the manifests failed"
  # No cache: a name must resolve as soon as its pod exists.
  cat >"$CONF/Corefile" <<COREFILE
.:53 {
  bind $DNS_IP
  errors
  ready 127.0.0.1:18181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $PKI/coredns.kubeconfig
    ttl 1
  }
}
COREFILE
  alive coredns || start coredns "$(bin coredns)" -conf "$CONF/Corefile"
  volumes_up
  alive provisioner || start provisioner "$(bin provisioner)" --kubeconfig "$PKI/provisioner.kubeconfig" \
    --base "$SDM_STATE/volumes"
}

# Volumes have a file system of their own, as disks of a real cluster have: on one without a journal ext4 looks for
# minutes at every inode that was freed before it takes one, and brokers make and delete files by the thousand. Where
# that cannot be had, a directory has to do. As etcd's here, their flushes end in the machine's memory (barrier=0): they
# outlive programs and nodes, not the machine, and brokers flush several times for each log they make.
volumes_up() {
  local dir=$SDM_STATE/volumes image=$SDM_STATE/volumes.img log=$LOGS/volumes.log options=loop,noatime,barrier=0
  mkdir -p "$dir"
  ! mountpoint -q "$dir" || return 0
  if [[ -e $image ]]; then
    # It holds the volumes of a cluster that is there: nothing is begun anew beside them.
    mount -o "$options" "$image" "$dir" 2>>"$log" ||
      fail "the volumes in $image cannot be mounted" "the reason is in $log; 'make down' removes the cluster with its volumes"
  elif [[ -z $(ls -A "$dir") ]]; then
    if ! { truncate -s 20G "$image" && mkfs.ext4 -q -F -m 0 "$image" && mount -o "$options" "$image" "$dir"; } >>"$log" 2>&1; then
      rm -f "$image"
      say "volumes are plain directories: no file system of their own (the reason is in $log)"
    fi
  fi
}

addons_ready() {
  step "DNS and storage"
  started coredns 60 DNS curl -fsS --noproxy '*' --max-time 2 http://127.0.0.1:18181/ready
  sleep 0.1
  alive provisioner || fail_log provisioner "the provisioner stopped while starting"
  done_step
}
