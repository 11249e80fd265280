//! Whether this machine has a way to an address at all.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use rustix::io::Errno;

/// Whether this machine has a route to `address`. Nothing is sent: the system is asked where a datagram would go.
///
/// A host without IPv6 has none to the `AAAA` addresses of a name that others reach there.
pub fn has_route(address: SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address));
    !asked.is_err_and(|err| is_no_route(&err))
}

/// Other errors, such as too many open files, say nothing about the address.
fn is_no_route(err: &io::Error) -> bool {
    // A family of addresses that the system does not have at all. The number is not the same everywhere.
    let no_family = err.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
    no_family
        || matches!(
            err.kind(),
            io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::AddrNotAvailable
                // A link-local address, without the interface that it is local to.
                | io::ErrorKind::InvalidInput
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_route_to_this_machine_and_none_to_an_unknown_link() {
        assert!(has_route("127.0.0.1:443".parse().unwrap()));
        assert!(!has_route("[fe80::1]:443".parse().unwrap()));
    }

    #[test]
    fn only_errors_about_the_way_tell_that_there_is_none() {
        for number in [
            Errno::NETUNREACH,
            Errno::HOSTUNREACH,
            Errno::AFNOSUPPORT,
            Errno::ADDRNOTAVAIL,
        ] {
            assert!(is_no_route(&number.into()), "{number}");
        }
        for number in [Errno::MFILE, Errno::ACCESS, Errno::CONNREFUSED] {
            assert!(!is_no_route(&number.into()), "{number}");
        }
    }
}
