//! Tests of the plan: tables of situations, and a model world in which any interleaving of steps,
//! crashes and mishaps must end in the same place.

mod convergence;
mod evictions;
mod pods;
mod situations;
mod world;
