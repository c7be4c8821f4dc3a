"""What users of pack.py rely on. Run: python3 -m unittest discover deploy/images"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pack  # noqa: E402

REF = "docker.io/example/app:1.0"


def tree(root, umask_bits):
    """The same content, as checkouts under different umasks and at different times have it."""
    os.makedirs(os.path.join(root, "bin"))
    os.makedirs(os.path.join(root, "tmp"))
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    for name, mode in (("bin/app", 0o755), ("notes", 0o644)):
        path = os.path.join(root, name)
        with open(path, "w") as file:
            file.write(name)
        os.chmod(path, mode & ~umask_bits)
        os.utime(path, (umask_bits, umask_bits))
    os.symlink("bin", os.path.join(root, "sbin"))


class Packer(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name

    def path(self, name):
        return os.path.join(self.scratch, name)

    def pack(self, out, *layers):
        stdout, sys.stdout = sys.stdout, io.StringIO()
        try:
            arguments = ["--ref", REF, "--out", self.path(out), "--user", "65532", "--entrypoint", '["/bin/app"]']
            for layer in layers:
                arguments += ["--layer", layer]
            pack.main(arguments)
        finally:
            sys.stdout = stdout
        with open(self.path(out), "rb") as file:
            return file.read()

    def test_equal_trees_give_equal_archives(self):
        tree(self.path("a"), 0o000)
        tree(self.path("b"), 0o027)
        self.assertEqual(self.pack("a.tar", self.path("a")), self.pack("b.tar", self.path("b")))

    def test_every_digest_in_the_archive_is_true(self):
        tree(self.path("a"), 0)
        archive = tarfile.open(fileobj=io.BytesIO(self.pack("a.tar", self.path("a"))))
        blob = lambda digest: archive.extractfile("blobs/" + digest.replace(":", "/")).read()
        descriptor = json.load(archive.extractfile("index.json"))["manifests"][0]
        self.assertEqual(descriptor["annotations"]["io.containerd.image.name"], REF)
        manifest = json.loads(blob(descriptor["digest"]))
        config = json.loads(blob(manifest["config"]["digest"]))
        self.assertEqual((config["config"]["User"], config["config"]["Entrypoint"]), ("65532", ["/bin/app"]))
        for part in [descriptor, manifest["config"], *manifest["layers"]]:
            data = blob(part["digest"])
            self.assertEqual(len(data), part["size"])
            self.assertEqual("sha256:" + hashlib.sha256(data).hexdigest(), part["digest"])
        plain = gzip.decompress(blob(manifest["layers"][0]["digest"]))
        self.assertEqual(config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(plain).hexdigest()])
        modes = {entry.name: (entry.mode, entry.uid, entry.mtime) for entry in tarfile.open(fileobj=io.BytesIO(plain))}
        self.assertEqual(modes["tmp"], (0o1777, 0, 0))
        self.assertEqual(modes["bin/app"], (0o755, 0, 0))
        self.assertEqual(modes["notes"], (0o644, 0, 0))

    def test_a_compressed_layer_is_kept_byte_for_byte(self):
        # Two gzip members, as pigz and some registries write.
        raw = os.urandom(3 << 20)
        with open(self.path("layer.tar.gz"), "wb") as file:
            file.write(gzip.compress(raw[:100]) + gzip.compress(raw[100:]))
        layer = pack.make_layer(self.path("layer.tar.gz"), self.scratch, 0, 6)
        self.assertEqual(layer.path, self.path("layer.tar.gz"))
        self.assertEqual(layer.diff_id, "sha256:" + hashlib.sha256(raw).hexdigest())

    def test_a_name_without_host_or_tag_is_refused(self):
        for name in ("app", "app:1.0", "docker.io/example/app"):
            stderr, sys.stderr = sys.stderr, io.StringIO()
            try:
                with self.assertRaises(SystemExit):
                    pack.main(["--ref", name, "--out", self.path("x.tar"), "--layer", self.scratch])
            finally:
                sys.stderr = stderr
            self.assertFalse(os.path.exists(self.path("x.tar")))


if __name__ == "__main__":
    unittest.main()
