//! Questions to DNS that the system's own resolver cannot answer: other types than addresses, and a certain server's view.
//!
//! Names are absolute, in ASCII form (A-labels), and come back in lower case without a trailing dot.
//!
//! For programs that wait for a record or look where a name leads. HTTP clients leave names to the system.

mod error;
mod https;
pub mod name;
mod resolver;
mod server;
mod system;
#[cfg(test)]
mod test_support;
mod wire;

pub use error::ResolveError;
pub use resolver::{NameServer, Resolver, Zone};
pub use server::{ServerAddress, server};
pub use system::PORT;
