//! Flex Gateway: its registration file, and `flexctl`, the program that renews it.

pub mod flexctl;
pub mod registration;
