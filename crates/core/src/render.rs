//! From a resolved cluster to the Kubernetes objects it consists of.
