//! From transactions to a model: explore the data, fit, measure, score; make or fetch data to do it
//! on.
//!
//! Each command has a file in [`commands`], which holds its flags and ties the parts together; the
//! parts know nothing of flags.
//!
//! | part | what it does |
//! |---|---|
//! | [`dataset`] → [`split`] → [`fit`] → [`evaluate`] → [`training`] | a model from labelled rows |
//! | [`threshold_rule`] | the decision threshold, given or read off the validation rows |
//! | [`plot`], [`report`], [`summary`] | SVG, HTML and terminal tables for people |
//! | [`mlflow_model`], [`onnx`] | the model for Python |
//! | [`tracking`] | the run and the model in MLflow or the local store |
//! | [`explore`] | the report on the data itself |
//! | [`synth`], [`mod@fetch`] | data where there is none |
//! | [`output`], [`progress`], [`clock`] | results that appear whole, work that shows itself, time |

pub mod cli;
pub mod clock;
pub mod commands;
pub mod dataset;
pub mod evaluate;
pub mod explore;
pub mod fetch;
pub mod fit;
pub mod mlflow_model;
pub mod onnx;
pub mod output;
pub mod plot;
pub mod progress;
pub mod report;
pub mod split;
pub mod summary;
pub mod synth;
pub mod threshold_rule;
pub mod tracking;
pub mod training;
