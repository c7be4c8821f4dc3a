//! What is to be done next, in order, with the reason of every step and of every wait.

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Stable name, such as `RestartNode/2`.
    pub name: String,
    /// What differs.
    pub reason: String,
    /// What it waits for, if it waits.
    pub waits_for: Option<String>,
    /// What to do.
    pub action: Action,
}

/// An ordered list of steps; recomputed from a fresh snapshot, never remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps, first to last.
    pub steps: Vec<Step>,
}
