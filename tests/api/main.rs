//! Tests on etcd and kube-apiserver: what the real API server says to our
//! definitions, our webhook and our controller.

mod admission;
mod bad_specs;
mod behind;
mod bursts;
mod cases;
mod convergence;
mod hostile;
mod injection;
mod injection_secret;
mod late;
mod leadership;
mod patience;
mod property;
mod revocation;
mod simulated;
mod statuses;
mod verdicts;
