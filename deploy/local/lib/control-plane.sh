# shellcheck shell=bash
# etcd, API server, controller manager, scheduler: host processes. etcd and the
# metrics ports are on loopback, the API server on the bridge.

# Pod certificates and trust bundles (KEP-4317, KEP-3257) are switched on.
FEATURE_GATES=PodCertificateRequest=true,ClusterTrustBundle=true,ClusterTrustBundleProjection=true

etcd_up() {
  alive etcd && return
  step "etcd"
  # A new cluster's record of requests begins with it.
  [[ -d $SDM_STATE/etcd ]] || rm -f "$LOGS"/audit*.log
  mkdir -p "$SDM_STATE/etcd"
  chmod 0700 "$SDM_STATE/etcd"
  # Without fsync: what a power cut loses here is a test cluster. Memory is cheaper here than collecting it.
  GOGC=300 start etcd "$(bin etcd)" --name local --data-dir "$SDM_STATE/etcd" --unsafe-no-fsync \
    --listen-client-urls "https://127.0.0.1:$ETCD_PORT" --advertise-client-urls "https://127.0.0.1:$ETCD_PORT" \
    --listen-peer-urls "http://127.0.0.1:$((ETCD_PORT + 1))" \
    --initial-advertise-peer-urls "http://127.0.0.1:$((ETCD_PORT + 1))" \
    --initial-cluster "local=http://127.0.0.1:$((ETCD_PORT + 1))" \
    --cert-file "$PKI/etcd.crt" --key-file "$PKI/etcd.key" \
    --client-cert-auth --trusted-ca-file "$PKI/etcd-ca.crt" \
    --auto-compaction-mode periodic --auto-compaction-retention 30m --quota-backend-bytes 4294967296 \
    --logger zap --log-level warn
  started etcd 30 etcd curl -fsS --noproxy '*' --max-time 2 --cacert "$PKI/etcd-ca.crt" \
    --cert "$PKI/apiserver-etcd.crt" --key "$PKI/apiserver-etcd.key" "https://127.0.0.1:$ETCD_PORT/health"
  done_step
}

# What the operator's programs ask for is recorded, without contents: a right that none of them uses is one too many.
audit_policy() {
  cat >"$CONF/audit.yaml" <<POLICY
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, userGroups: ["system:serviceaccounts:sdm-system"]}
  - {level: None}
POLICY
}

api_server_start() {
  alive kube-apiserver && return
  audit_policy
  # As etcd's, and more so: it keeps what happened in the last minute, and collecting that took a third of its time when
  # thousands of objects change. No more than a fourth of the machine's memory.
  GOGC=1000 GOMEMLIMIT="$(awk '/^MemTotal/ {print int($2 / 4)}' /proc/meminfo)KiB" start kube-apiserver "$(bin kube-apiserver)" \
    --bind-address "$HOST_IP" --advertise-address "$HOST_IP" --secure-port "$API_PORT" \
    --etcd-servers "https://127.0.0.1:$ETCD_PORT" --etcd-cafile "$PKI/etcd-ca.crt" \
    --etcd-certfile "$PKI/apiserver-etcd.crt" --etcd-keyfile "$PKI/apiserver-etcd.key" \
    --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
    --client-ca-file "$PKI/ca.crt" --authorization-mode Node,RBAC \
    --enable-admission-plugins NodeRestriction --allow-privileged=true \
    --service-cluster-ip-range "$SERVICE_CIDR" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$PKI/sa.pub" --service-account-signing-key-file "$PKI/sa.key" \
    --kubelet-client-certificate "$PKI/apiserver-kubelet.crt" --kubelet-client-key "$PKI/apiserver-kubelet.key" \
    --kubelet-certificate-authority "$PKI/ca.crt" --kubelet-preferred-address-types InternalIP \
    --proxy-client-cert-file "$PKI/front-proxy.crt" --proxy-client-key-file "$PKI/front-proxy.key" \
    --requestheader-client-ca-file "$PKI/front-proxy-ca.crt" --requestheader-allowed-names front-proxy-client \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- \
    --feature-gates "$FEATURE_GATES" --runtime-config certificates.k8s.io/v1beta1=true \
    --audit-policy-file "$CONF/audit.yaml" --audit-log-path "$LOGS/audit.log" \
    --audit-log-maxsize 50 --audit-log-maxbackup 1 \
    --profiling=false --shutdown-delay-duration 0s --cert-dir "$CONF"
}
api_server_ready() {
  step "API server"
  AGAIN=api_server_start started kube-apiserver 60 "the API server" kubectl get --raw=/readyz
  done_step
}

controllers_start() {
  alive kube-controller-manager || start kube-controller-manager "$(bin kube-controller-manager)" \
    --kubeconfig "$PKI/controller-manager.kubeconfig" \
    --authentication-kubeconfig "$PKI/controller-manager.kubeconfig" \
    --authorization-kubeconfig "$PKI/controller-manager.kubeconfig" \
    --bind-address 127.0.0.1 --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file "$PKI/sa.key" --root-ca-file "$PKI/ca.crt" \
    --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
    --feature-gates "$FEATURE_GATES" --profiling=false --cert-dir "$CONF"
  alive kube-scheduler || start kube-scheduler "$(bin kube-scheduler)" \
    --kubeconfig "$PKI/scheduler.kubeconfig" \
    --authentication-kubeconfig "$PKI/scheduler.kubeconfig" \
    --authorization-kubeconfig "$PKI/scheduler.kubeconfig" \
    --bind-address 127.0.0.1 --leader-elect=false --profiling=false --cert-dir "$CONF"
}
controllers_ready() {
  step "controller manager, scheduler"
  # Pods need their namespace's service account, which the controller manager makes.
  AGAIN=controllers_start started kube-controller-manager 60 "the controller manager" kubectl get serviceaccount default -n kube-system
  AGAIN=controllers_start started kube-scheduler 60 "the scheduler" curl -fsSk --noproxy '*' --max-time 2 https://127.0.0.1:10259/readyz
  done_step
}
