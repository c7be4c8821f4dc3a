//! Tests on the whole node: kubelets, containers, real brokers.
