//! The selfhealer program.
fn main() {}
