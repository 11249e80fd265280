//! Flex Gateway: its registration file, and `flexctl`, the program that renews it.
//!
//! For programs that look after a gateway's registration. What a program can do about a failed renewal it says itself:
//! see [`flexctl::Failure`].

pub mod flexctl;
pub mod registration;
