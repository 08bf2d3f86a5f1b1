//! `genims doctor`: placeholder while verify is compiled first.
