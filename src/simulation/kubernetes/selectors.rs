//! Which objects are meant: label selectors as text and as objects, and field selectors.

mod fields;
mod labels;
#[cfg(test)]
mod tests;

pub use fields::Fields;
pub use labels::{Labels, Operator, Requirement};
