//! Figures next to what a user would use instead.
fn main() {}
