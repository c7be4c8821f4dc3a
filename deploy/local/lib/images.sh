# shellcheck shell=bash
# OCI archives into the nodes' containerds.

# archive_image FILE: "reference digest" of the image in an OCI archive.
archive_image() {
  tar -xOf "$1" index.json 2>/dev/null |
    jq -er '.manifests[0] | "\(.annotations["io.containerd.image.name"]) \(.digest)"' 2>/dev/null ||
    fail "$1 is not an OCI archive with a named image" "deploy/images/build writes them"
}

# load_image NODE FILE: unless the node has this very image under this name.
load_image() {
  local n=$1 file=$2 image
  image=$(archive_image "$file")
  if ctr_on "$n" images list "name==${image% *}" | awk -v r="${image% *}" -v d="${image#* }" \
    '$1 == r && $3 == d { found = 1 } END { exit !found }'; then
    printf '%s has %s\n' "$(node_name "$n")" "${image% *}"
    return
  fi
  ctr_on "$n" images import --snapshotter "$(snapshotter)" "$file" >/dev/null ||
    fail "importing $file into $(node_name "$n") failed"
  printf '%s loaded %s\n' "$(node_name "$n")" "${image% *}"
}
