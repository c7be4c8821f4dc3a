//! The forms in which a credential is delivered.
