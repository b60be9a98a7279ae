//! The commands of `fraud-trainer`: one file each, with its flags and its `run`.

pub mod explore;
pub mod fetch;
pub mod score;
pub mod synth;
pub mod train;
