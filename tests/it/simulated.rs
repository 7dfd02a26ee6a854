//! The service on a simulated cluster, in this process and in simulated time: scenarios, each with its story, and the crash
//! matrix over every moment of each.

mod cluster;
mod disturbance;
mod guards;
mod matrix;
mod moments;
mod office;
mod points;
mod prepared;
mod process;
mod rules;
mod scenario;
mod scenarios;
mod stage;
mod told;
mod wire;
mod without;
