//! `NO_PROXY`, as `kubectl` reads it: which servers are asked directly although a proxy is set.
//!
//! These are the rules of Go's `golang.org/x/net/http/httpproxy`, through which `kubectl` and every other Go program go. A
//! rule that nobody can make sense of matches nothing, and is no error: the variable is shared by all programs of a machine.

use std::net::IpAddr;

use ipnet::IpNet;

/// One item of the list.
enum Rule<'a> {
    /// `*`: every server.
    All,
    /// `10.0.0.0/8`.
    Network(IpNet),
    /// `10.1.2.3` or `10.1.2.3:6443`.
    Address(IpAddr, Option<&'a str>),
    /// `example.com` with its subdomains, `.example.com` or `*.example.com` without itself; each may have a port.
    Domain {
        /// Begins with a dot.
        suffix: String,
        itself: bool,
        port: Option<&'a str>,
    },
}

/// Whether a server is asked directly, going by the list and by its own address.
///
/// Loopback addresses and `localhost` always are, since a proxy elsewhere would reach its own machine.
pub(super) fn is_direct(list: &str, host: &str, port: u16) -> bool {
    if host == "localhost" {
        return true;
    }
    let host = host.to_lowercase();
    let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    if address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let port = port.to_string();
    let list = list.to_lowercase();
    list.split(',')
        .filter_map(rule)
        .any(|rule| rule.matches(&host, address, &port))
}

impl Rule<'_> {
    fn matches(&self, host: &str, address: Option<IpAddr>, port: &str) -> bool {
        let is_port = |wanted: &Option<&str>| wanted.is_none_or(|wanted| wanted == port);
        match (self, address) {
            (Self::All, _) => true,
            (Self::Network(network), Some(address)) => network.contains(&address),
            (Self::Address(wanted, wanted_port), Some(address)) => *wanted == address && is_port(wanted_port),
            (
                Self::Domain {
                    suffix,
                    itself,
                    port: wanted,
                },
                None,
            ) => (host.ends_with(suffix.as_str()) || (*itself && host == &suffix[1..])) && is_port(wanted),
            // Names are not looked up: an address matches by address, a name by name.
            _ => false,
        }
    }
}

/// What an item means; nothing, where it is empty or nonsense.
fn rule(item: &str) -> Option<Rule<'_>> {
    let item = item.trim();
    if item == "*" {
        return Some(Rule::All);
    }
    if let Ok(network) = item.parse() {
        return Some(Rule::Network(network));
    }
    let (host, port) = match split_port(item) {
        Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
        None => (item, None),
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Rule::Address(address.to_canonical(), port));
    }
    let host = host
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(host);
    match host.chars().next()? {
        '.' => Some(Rule::Domain {
            suffix: host.to_owned(),
            itself: false,
            port,
        }),
        _ => Some(Rule::Domain {
            suffix: format!(".{host}"),
            itself: true,
            port,
        }),
    }
}

/// `host:port` or `[address]:port`; an IPv6 address without brackets has no port.
fn split_port(item: &str) -> Option<(&str, &str)> {
    let (host, port) = item.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inner) => Some((inner.strip_suffix(']')?, port)),
        None if host.contains([':', '[', ']']) => None,
        None => Some((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_direct;

    /// The list, the server, and whether Go asks it directly: `httpproxy.Config.ProxyFunc` was asked each of these.
    const CASES: &[(&str, &str, u16, bool)] = &[
        ("", "api.example.com", 6443, false),
        ("", "10.1.2.3", 6443, false),
        // This machine, whatever the list says.
        ("", "localhost", 6443, true),
        ("", "127.0.0.1", 6443, true),
        ("", "127.9.9.9", 6443, true),
        ("", "::1", 6443, true),
        ("", "::ffff:127.0.0.1", 6443, true),
        ("", "LOCALHOST", 6443, false),
        ("", "localhost.example.com", 6443, false),
        // Everything.
        ("*", "api.example.com", 443, true),
        ("*", "10.1.2.3", 443, true),
        ("other.com, *", "fd00::1", 443, true),
        // Addresses, with and without port.
        ("10.1.2.3", "10.1.2.3", 6443, true),
        ("10.1.2.3", "10.1.2.30", 6443, false),
        ("10.1.2", "10.1.2.3", 6443, false),
        ("10.1.2.3:6443", "10.1.2.3", 6443, true),
        ("10.1.2.3:443", "10.1.2.3", 6443, false),
        ("10.1.2.3:", "10.1.2.3", 6443, true),
        ("::ffff:10.1.2.3", "10.1.2.3", 6443, true),
        ("fd00::1", "fd00::1", 6443, true),
        ("fd00:0:0::1", "fd00::1", 6443, true),
        ("[fd00::1]:6443", "fd00::1", 6443, true),
        ("[fd00::1]:443", "fd00::1", 6443, false),
        ("[fd00::1]", "fd00::1", 6443, false),
        // Networks.
        ("10.0.0.0/8", "10.1.2.3", 6443, true),
        ("10.9.9.9/8", "10.1.2.3", 6443, true),
        ("10.0.0.0/16", "10.1.2.3", 6443, false),
        ("10.1.2.3/32", "10.1.2.3", 6443, true),
        ("0.0.0.0/0", "10.1.2.3", 6443, true),
        ("fd00::/8", "fd00::1", 6443, true),
        ("10.0.0.0/8", "fd00::1", 6443, false),
        ("10.0.0.0/33", "10.1.2.3", 6443, false),
        ("10.0.0.0/8", "10.example.com", 6443, false),
        // Domains.
        ("example.com", "example.com", 6443, true),
        ("example.com", "api.example.com", 6443, true),
        ("example.com", "notexample.com", 6443, false),
        ("example.com", "example.com.org", 6443, false),
        (".example.com", "api.example.com", 6443, true),
        (".example.com", "example.com", 6443, false),
        ("*.example.com", "api.example.com", 6443, true),
        ("*.example.com", "example.com", 6443, false),
        ("api.*.com", "api.example.com", 6443, false),
        ("Example.COM", "api.example.com", 6443, true),
        ("example.com", "API.Example.Com", 6443, true),
        ("example.com:6443", "api.example.com", 6443, true),
        ("example.com:443", "api.example.com", 6443, false),
        ("example.com:443", "api.example.com", 443, true),
        (".example.com:6443", "api.example.com", 6443, true),
        ("*.example.com:6443", "example.com", 6443, false),
        (".svc", "kubernetes.default.svc", 443, true),
        ("svc", "kubernetes.default.svc", 443, true),
        ("https://example.com", "example.com", 443, false),
        // Domains that look like addresses are not asked of addresses.
        (".3", "10.1.2.3", 6443, false),
        ("3", "10.1.2.3", 6443, false),
        // Lists as people write them.
        ("localhost,127.0.0.1,", "10.1.2.3", 6443, false),
        ("localhost,10.1.2.3,", "10.1.2.3", 6443, true),
        (",,10.1.2.3", "10.1.2.3", 6443, true),
        (" localhost , 10.0.0.0/8 ,.svc", "10.1.2.3", 6443, true),
        ("localhost;10.1.2.3", "10.1.2.3", 6443, false),
        ("localhost 10.1.2.3", "10.1.2.3", 6443, false),
        (":6443", "10.1.2.3", 6443, false),
        (":", "example.com", 6443, false),
        (" ", "example.com", 6443, false),
    ];

    #[test]
    fn each_form_means_what_it_means_to_kubectl() {
        for (list, host, port, direct) in CASES {
            assert_eq!(is_direct(list, host, *port), *direct, "NO_PROXY={list:?} {host} {port}");
        }
    }
}
