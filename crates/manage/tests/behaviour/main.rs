//! Who may change what, and what a change leaves behind.

mod audit;
mod bench;
mod life;
mod people;
mod roles;
