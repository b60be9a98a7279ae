//! The service from outside: real servers on free ports, spoken to over HTTP.

mod batch;
mod capture;
mod health;
mod helpers;
mod metrics;
mod observability;
mod pages;
mod predict;
mod registry;
mod reload;
mod routing;
mod safety;
mod seed_model;
mod startup;
