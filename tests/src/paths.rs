//! Where things are: the repository, the cache of built programs, the local node.

use std::env;
use std::path::PathBuf;

/// The repository's root.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository exists")
}

/// The cache that `deploy/local` and `deploy/images` fill.
pub fn cache() -> PathBuf {
    env::var_os("SDM_CACHE").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache/sdm"),
        PathBuf::from,
    )
}

/// One of the Kubernetes programs.
pub fn kubernetes(program: &str) -> PathBuf {
    let dir = env::var_os("KUBE_BIN_DIR")
        .map_or_else(|| cache().join("kubernetes-1.35.4"), PathBuf::from);
    existing(dir.join(program))
}

/// etcd.
pub fn etcd() -> PathBuf {
    existing(cache().join("etcd-3.6.16/etcd"))
}

/// Kafka's jars.
pub fn kafka_libs() -> PathBuf {
    let libs = env::var_os("SDM_KAFKA_LIBS");
    existing(libs.map_or_else(|| cache().join("kafka/4.3.1/libs"), PathBuf::from))
}

/// One of our own programs, as released.
pub fn program(name: &str) -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    existing(target.join("release").join(name))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(
        path.exists(),
        "{} is not there: `tests/run` builds it",
        path.display()
    );
    path
}
