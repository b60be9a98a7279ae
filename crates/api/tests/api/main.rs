//! The service from outside: real servers on free ports, spoken to over HTTP.

mod health;
mod helpers;
mod metrics;
mod predict;
mod routing;
mod seed_model;
mod startup;
