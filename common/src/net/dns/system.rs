//! The name servers that the system is set up to ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;

/// The port of name servers.
pub const PORT: u16 = 53;

/// The servers that `/etc/resolv.conf` names; where there are none, the one on this machine, as resolvers do.
pub(super) fn servers() -> Vec<SocketAddr> {
    servers_in(Path::new("/etc/resolv.conf"))
}

fn servers_in(path: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut servers = name_servers(&text);
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, PORT).into());
    }
    servers
}

/// The servers of a `resolv.conf`.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next())?
        })
        .filter_map(server_address)
        .collect()
}

fn server_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address, PORT).into());
    }
    // `fe80::1%eth0`: the system knows the interface's number. A host name is not allowed here.
    let scoped = text.contains('%') && text.contains(':');
    scoped
        .then(|| (text, PORT).to_socket_addrs().ok()?.next())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_names_the_servers() {
        let text = "# comment\nsearch example.com\nnameserver 192.0.2.53\n nameserver\t2001:db8::53 \n#nameserver 192.0.2.1\nnameserver fe80::1%1\nnameserver dns.example.com\nnameserver\noptions edns0\n";
        let servers = name_servers(text);
        assert_eq!(servers[0], "192.0.2.53:53".parse().unwrap());
        assert_eq!(servers[1], "[2001:db8::53]:53".parse().unwrap());
        assert_eq!(servers[2].ip(), "fe80::1".parse::<IpAddr>().unwrap());
        assert_eq!(servers.len(), 3);
        let none = servers_in(Path::new("/nowhere/resolv.conf"));
        assert_eq!(none, ["127.0.0.1:53".parse().unwrap()]);
    }
}
