//! The contract of allos: real plugins opened by the real host, one test program.
//!
//! Each module is a part of the contract, or (`artifact`, `calls`, `client`, `folder`, `health`,
//! `isolation`, `process`, `upstream`) what the parts are tested with. Each test has a plugin folder
//! of its own and uses nothing beyond loopback.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod admin;
mod admission;
mod artifact;
mod calls;
mod cli;
mod client;
mod confinement;
mod containment;
mod deadlines;
mod documentation;
mod external;
mod faults;
mod folder;
mod framing;
mod gateway;
mod health;
mod isolation;
mod panics;
mod plugins;
mod probe;
mod process;
mod reload;
mod storm;
mod streams;
mod terminal;
mod tidy;
mod trust;
mod upstream;
mod wire;
mod workers;
