# shellcheck shell=bash
# Certificates and kubeconfigs of the local node: three authorities (cluster,
# etcd, front proxy), EC P-256, made by the first `up` and removed by `down`.

# Longer than any local node lives: nothing here renews certificates.
DAYS=3650
# Ours alone: the system's openssl.cnf would add extensions of its own.
OPENSSL_CONF_TEXT='[req]
distinguished_name = dn
[dn]'

pki() {
  local n
  step "certificates"
  mkdir -p "$PKI"
  chmod 0700 "$PKI"
  # Whole or not at all: a half-made set is replaced.
  if ! [[ -e $PKI/complete ]]; then
    rm -rf "${PKI:?}"/*
    authority ca kubernetes
    authority etcd-ca etcd
    authority front-proxy-ca front-proxy
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$PKI/sa.key" 2>/dev/null
    openssl pkey -in "$PKI/sa.key" -pubout -out "$PKI/sa.pub"

    leaf etcd-ca etcd /CN=etcd DNS:localhost,IP:127.0.0.1
    leaf etcd-ca apiserver-etcd /CN=kube-apiserver
    leaf ca apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,\
DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:$HOST_IP,IP:$API_SERVICE_IP,IP:127.0.0.1"
    leaf ca apiserver-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
    leaf front-proxy-ca front-proxy /CN=front-proxy-client
    leaf ca admin /O=system:masters/CN=kubernetes-admin
    leaf ca controller-manager /CN=system:kube-controller-manager
    leaf ca scheduler /CN=system:kube-scheduler
    leaf ca proxy /CN=system:kube-proxy
    leaf ca coredns /CN=system:coredns
    leaf ca provisioner /CN=sdm:local-provisioner
    touch "$PKI/complete"
  fi
  for n in $(seq "$NODES"); do
    [[ -s $PKI/node-$n.crt ]] ||
      leaf ca "node-$n" "/O=system:nodes/CN=system:node:$(node_name "$n")" "DNS:$(node_name "$n"),IP:$(node_ip "$n")"
    kubeconfig "node-$n" "$PKI/node-$n.kubeconfig"
  done
  for n in controller-manager scheduler proxy coredns provisioner; do kubeconfig "$n" "$PKI/$n.kubeconfig"; done
  kubeconfig admin "$ADMIN_KUBECONFIG"
  done_step
}

# authority FILE NAME
authority() {
  openssl req -x509 -config <(printf '%s\n' "$OPENSSL_CONF_TEXT") -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
    -nodes -days "$DAYS" -sha256 -keyout "$PKI/$1.key" -out "$PKI/$1.crt" -subj "/CN=$2-ca" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -addext subjectKeyIdentifier=hash 2>/dev/null
}

# leaf AUTHORITY FILE SUBJECT [ALTERNATIVE NAMES]: for clients, and for servers if they have names.
leaf() {
  local names=${4:-} usage=clientAuth
  [[ -z $names ]] || usage=serverAuth,clientAuth
  openssl req -x509 -config <(printf '%s\n' "$OPENSSL_CONF_TEXT") -CA "$PKI/$1.crt" -CAkey "$PKI/$1.key" \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$DAYS" -sha256 \
    -keyout "$PKI/$2.key" -out "$PKI/$2.crt.new" -subj "$3" \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
    -addext "extendedKeyUsage=$usage" -addext authorityKeyIdentifier=keyid ${names:+-addext "subjectAltName=$names"} \
    2>/dev/null || fail "openssl could not make the certificate $2" "it takes OpenSSL 3"
  mv "$PKI/$2.crt.new" "$PKI/$2.crt"
}

# kubeconfig LEAF FILE: everything inline, so that the file can be copied.
kubeconfig() {
  (
    umask 077
    cat >"$2.new" <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: sdm-local
    cluster:
      server: $API_URL
      certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
  - name: $1
    user:
      client-certificate-data: $(base64 -w0 "$PKI/$1.crt")
      client-key-data: $(base64 -w0 "$PKI/$1.key")
contexts:
  - name: sdm-local
    context: {cluster: sdm-local, user: $1}
current-context: sdm-local
YAML
  )
  mv "$2.new" "$2"
}
