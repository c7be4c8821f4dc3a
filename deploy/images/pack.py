#!/usr/bin/env python3
"""Pack root directories into an OCI image archive, without a container engine.

Owns: turning directories and tar files into layers, and writing the archive (`oci-layout`, `index.json`, blobs, and the
`manifest.json` that `docker load` and `crane push` read). Leaves what is inside the layers to its callers.

The same input gives the same bytes: entries are sorted, owned by 0:0, dated 0, with modes that do not depend on a umask.

  pack.py --ref docker.io/example/app:1.0 --out app.tar --layer ROOTFS --entrypoint '["/app"]' --user 65532

Standard library only, Python 3.9 or later.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import stat
import sys
import tarfile
import tempfile
import zlib

CHUNK = 1 << 20
EPOCH = "1970-01-01T00:00:00Z"
GZIP_MAGIC = b"\x1f\x8b"
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# host/path:tag; the tag is required, since a node matches an archive's name literally.
REFERENCE = re.compile(r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")

MEDIA_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_CONFIG = "application/vnd.oci.image.config.v1+json"
MEDIA_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class HashingWriter:
    """A file-like sink that hashes and counts what passes through to `sink` (which may be None)."""

    def __init__(self, sink=None):
        self.sink = sink
        self.sha = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self.sha.update(data)
        self.size += len(data)
        if self.sink is not None:
            self.sink.write(data)
        return len(data)

    def flush(self):
        if self.sink is not None:
            self.sink.flush()

    @property
    def digest(self):
        return "sha256:" + self.sha.hexdigest()


class Layer:
    """One gzipped layer on disk: `digest` of the compressed bytes, `diff_id` of the tar inside."""

    def __init__(self, path, digest, size, diff_id):
        self.path, self.digest, self.size, self.diff_id = path, digest, size, diff_id


def portable_mode(mode):
    """Permission bits that do not depend on the umask of whoever made the tree; set-id bits never survive."""
    if stat.S_ISDIR(mode):
        return 0o1777 if mode & stat.S_ISVTX else 0o755
    return 0o755 if mode & 0o111 else 0o644


def entries(root):
    """Paths below `root`, relative, parents before children, in the same order everywhere."""
    for folder, dirs, files in os.walk(root):
        # os.walk descends in the order left in `dirs`; links to directories are entries, not folders to enter.
        links = [d for d in dirs if os.path.islink(os.path.join(folder, d))]
        dirs[:] = sorted(set(dirs) - set(links))
        relative = os.path.relpath(folder, root)
        if relative != ".":
            yield relative
        for name in sorted(files + links):
            yield os.path.normpath(os.path.join(relative, name))


def write_tree(root, sink):
    """Write the tree below `root` as a deterministic tar."""
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for relative in entries(root):
            path = os.path.join(root, relative)
            status = os.lstat(path)
            info = tarfile.TarInfo(relative)
            info.mode = portable_mode(status.st_mode)
            if stat.S_ISLNK(status.st_mode):
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
                tar.addfile(info)
            elif stat.S_ISDIR(status.st_mode):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif stat.S_ISREG(status.st_mode):
                info.size = status.st_size
                with open(path, "rb") as source:
                    tar.addfile(info, source)
            else:
                raise SystemExit(f"pack.py: {path}: only files, directories and symbolic links can be packed")


def compress(write_tar, out, level):
    """Gzip what `write_tar(sink)` writes into the file `out`."""
    with open(out, "wb") as raw:
        packed = HashingWriter(raw)
        with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=packed, mtime=0) as zipped:
            plain = HashingWriter(zipped)
            write_tar(plain)
    return Layer(out, packed.digest, packed.size, plain.digest)


def read_gzipped(path):
    """A layer that is compressed already is used byte for byte; only its two digests are computed."""
    packed, plain = HashingWriter(), HashingWriter()
    inflate = zlib.decompressobj(wbits=31)
    with open(path, "rb") as source:
        while chunk := source.read(CHUNK):
            packed.write(chunk)
            while chunk:
                plain.write(inflate.decompress(chunk))
                chunk = inflate.unused_data
                if inflate.eof:
                    # The next gzip member, if any, starts where this one ended.
                    inflate = zlib.decompressobj(wbits=31)
    return Layer(path, packed.digest, packed.size, plain.digest)


def make_layer(source, scratch, number, level):
    """A layer from a directory, a tar, or a gzipped tar."""
    out = os.path.join(scratch, f"layer-{number}.tar.gz")
    if os.path.isdir(source):
        return compress(lambda sink: write_tree(source, sink), out, level)
    with open(source, "rb") as file:
        if file.read(2) == GZIP_MAGIC:
            return read_gzipped(source)
        file.seek(0)
        return compress(lambda sink: shutil.copyfileobj(file, sink, CHUNK), out, level)


def encode(document):
    """JSON with a fixed layout, so that equal documents have equal digests."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def describe(media_type, data):
    """An OCI descriptor of in-memory bytes."""
    return {"mediaType": media_type, "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}


def image_config(options, layers):
    """The OCI image configuration: how to run it, and which tars it is made of."""
    run = {}
    for key, value in (
        ("User", options.user),
        ("WorkingDir", options.workdir),
        ("Env", options.env),
        ("Entrypoint", options.entrypoint),
        ("Cmd", options.cmd),
        ("Labels", dict(label.split("=", 1) for label in options.label)),
    ):
        if value:
            run[key] = value
    return {
        "architecture": options.arch,
        "os": "linux",
        "created": EPOCH,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": EPOCH, "created_by": "pack.py"} for _ in layers],
    }


def blob_path(digest):
    return "blobs/" + digest.replace(":", "/")


def write_archive(options, layers, out):
    """Write the whole archive to `out`."""
    config = encode(image_config(options, layers))
    config_descriptor = describe(MEDIA_CONFIG, config)
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": MEDIA_MANIFEST,
            "config": config_descriptor,
            "layers": [{"mediaType": MEDIA_LAYER, "digest": l.digest, "size": l.size} for l in layers],
        }
    )
    manifest_descriptor = describe(MEDIA_MANIFEST, manifest)
    manifest_descriptor["platform"] = {"architecture": options.arch, "os": "linux"}
    manifest_descriptor["annotations"] = {
        "io.containerd.image.name": options.ref,
        "org.opencontainers.image.ref.name": options.ref.rsplit(":", 1)[1],
    }
    index = {"schemaVersion": 2, "mediaType": MEDIA_INDEX, "manifests": [manifest_descriptor]}
    docker = [
        {
            "Config": blob_path(config_descriptor["digest"]),
            "RepoTags": [options.ref],
            "Layers": [blob_path(layer.digest) for layer in layers],
        }
    ]
    small = {
        "oci-layout": encode({"imageLayoutVersion": "1.0.0"}),
        "index.json": encode(index),
        "manifest.json": encode(docker),
        blob_path(config_descriptor["digest"]): config,
        blob_path(manifest_descriptor["digest"]): manifest,
    }
    with tarfile.open(out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in ("blobs", "blobs/sha256"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name in sorted(small):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(small[name]), 0o644
            tar.addfile(info, io.BytesIO(small[name]))
        written = set()
        for layer in layers:
            if layer.digest in written:
                continue
            written.add(layer.digest)
            info = tarfile.TarInfo(blob_path(layer.digest))
            info.size, info.mode = layer.size, 0o644
            with open(layer.path, "rb") as source:
                tar.addfile(info, source)
    return manifest_descriptor["digest"]


def json_list(text):
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("a JSON list of strings is expected")
    return value


def pair(text):
    if "=" not in text:
        raise ValueError("KEY=VALUE is expected")
    return text


def parse(arguments):
    parser = argparse.ArgumentParser(description="Write an OCI image archive from directories and tar files.")
    parser.add_argument("--ref", required=True, help="full reference, e.g. docker.io/example/app:1.0")
    parser.add_argument("--out", required=True, help="archive to write; replaced only when complete")
    parser.add_argument("--layer", "--rootfs", dest="layer", action="append", required=True, metavar="DIR_OR_TAR",
                        help="a directory, tar or gzipped tar; lowest layer first, repeatable")
    parser.add_argument("--entrypoint", type=json_list, metavar="JSON", help='e.g. \'["/app"]\'')
    parser.add_argument("--cmd", type=json_list, metavar="JSON", help="default arguments")
    parser.add_argument("--env", type=pair, action="append", default=[], metavar="K=V")
    parser.add_argument("--label", type=pair, action="append", default=[], metavar="K=V")
    parser.add_argument("--user", help="uid, or uid:gid")
    parser.add_argument("--workdir", metavar="DIR")
    parser.add_argument("--arch", default=ARCHITECTURES.get(platform.machine()), help="OCI architecture (default: this machine's)")
    parser.add_argument("--level", type=int, default=6, help="gzip level of layers that are not compressed yet (default 6)")
    options = parser.parse_args(arguments)
    if not REFERENCE.match(options.ref):
        parser.error(f"--ref {options.ref}: expected a full name with host, path and tag, as in docker.io/example/app:1.0")
    if not options.arch:
        parser.error(f"--arch is required: {platform.machine()} has no known OCI name")
    for layer in options.layer:
        if not os.path.exists(layer):
            parser.error(f"--layer {layer}: no such directory or file")
    return options


def main(arguments):
    options = parse(arguments)
    folder = os.path.dirname(os.path.abspath(options.out))
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=folder) as scratch:
        layers = [make_layer(source, scratch, n, options.level) for n, source in enumerate(options.layer)]
        partial = os.path.join(scratch, "archive.tar")
        digest = write_archive(options, layers, partial)
        os.replace(partial, options.out)
    print(f"{options.ref} {digest} {os.path.getsize(options.out) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
