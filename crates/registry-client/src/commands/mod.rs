//! The commands of `fraud-registry`: one file each, with its flags and its `run`.

pub mod completions;
pub mod diff;
mod folder;
mod model;
pub mod models;
pub mod promote;
pub mod pull;
pub mod push;
pub mod rollback;
pub mod runs;
pub mod show;
mod terminal;
pub mod versions;
