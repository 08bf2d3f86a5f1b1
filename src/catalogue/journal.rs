//! The journal of numbers.
