//! An endpoint as people write it.

/// Host and port of `text`; `port` where it has none.
///
/// # Errors
///
/// What is wrong: it is neither a host nor a host and port.
pub fn host_and_port(text: &str, port: u16) -> Result<(String, u16), String> {
    let wrong = || format!("{text:?} is not HOST, HOST:PORT or [IPV6]:PORT");
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((text.to_owned(), port));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.ends_with(']') => {
            (host, port.parse().map_err(|_| wrong())?)
        }
        Some(_) if !text.starts_with('[') => return Err(wrong()),
        _ => (text, port),
    };
    if host.is_empty() {
        Err(wrong())
    } else {
        Ok((host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_its_port() {
        let parse = |text| host_and_port(text, 443).ok();
        let expect = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(parse("ingress.example"), expect("ingress.example", 443));
        assert_eq!(
            parse("ingress.example:8443"),
            expect("ingress.example", 8443)
        );
        assert_eq!(parse("[::1]:8443"), expect("[::1]", 8443));
        assert_eq!(parse("[::1]"), expect("[::1]", 443));
        assert_eq!(parse("::1"), expect("::1", 443));
        for wrong in ["", "host:", "host:x", ":443", "host:70000"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
