//! Tables, properties and what is rendered.
