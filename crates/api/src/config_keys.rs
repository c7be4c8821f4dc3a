//! Kafka configuration keys that the operator decides and a user may not set.

/// Keys that are reserved as a whole.
pub const RESERVED_KEYS: [&str; 22] = [
    "advertised.listeners",
    "allow.everyone.if.no.acl.found",
    "authorizer.class.name",
    "broker.id",
    "broker.rack",
    "cluster.id",
    "control.plane.listener.name",
    "early.start.listeners",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "node.id",
    "port",
    "principal.builder.class",
    "process.roles",
    "reserved.broker.max.id",
    "security.inter.broker.protocol",
    "security.providers",
    "super.users",
];

/// Beginnings of keys that are reserved.
pub const RESERVED_PREFIXES: [&str; 5] = [
    "controller.listener",
    "controller.quorum.",
    "listener.name.",
    "ssl.",
    "zookeeper.",
];

/// Whether a user may not set `key`.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    RESERVED_KEYS.contains(&key) || RESERVED_PREFIXES.iter().any(|p| key.starts_with(p))
}

/// The CEL rule that says the same on a map of configuration.
#[must_use]
pub fn cel_rule() -> String {
    let keys = RESERVED_KEYS.map(|k| k.replace('.', "[.]")).join("|");
    let prefixes = RESERVED_PREFIXES
        .map(|p| format!("{}.*", p.replace('.', "[.]")))
        .join("|");
    format!("self.all(k, !k.matches('^({keys}|{prefixes})$'))")
}
