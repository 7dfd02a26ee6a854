//! Where is listened, and by whom.

use std::net::SocketAddr;

use super::{Config, Fields, Reading, Value, settings};

impl Reading<'_, '_> {
    pub(super) fn addresses(&mut self, root: &Fields<'_>, name: &'static str) -> Option<Vec<SocketAddr>> {
        if root.get(name).is_none() {
            return Some(settings::default(name).parse().into_iter().collect());
        }
        let mut addresses = Vec::new();
        if let Some(node) = root.get(name).filter(|node| matches!(node.value, Value::Int(_))) {
            let help = "write the address too, for example `0.0.0.0:8080`";
            self.reader
                .error(node.at, format!("`{name}` must be an address and a port"), help);
            return None;
        }
        for (node, text) in self.texts(root, name)? {
            let parsed = match text.strip_prefix("localhost:").map(|port| ("127.0.0.1", port)) {
                Some((host, port)) => format!("{host}:{port}").parse(),
                None => match text.strip_prefix(':') {
                    Some(port) => format!("0.0.0.0:{port}").parse(),
                    None => text.parse(),
                },
            };
            match parsed {
                Ok(address) => addresses.push(address),
                Err(_) => {
                    let help = if text.contains("://") {
                        "write an address without a scheme, for example `0.0.0.0:8080`"
                    } else if text.chars().all(|c| c.is_ascii_digit()) {
                        "write the address too, for example `0.0.0.0:8080`"
                    } else {
                        "write an IP address and a port: `0.0.0.0:8080`, `[::]:8080` or `localhost:8080`"
                    };
                    self.reader
                        .error(node.at, format!("`{name}` must be an address and a port"), help);
                    return None;
                }
            }
        }
        Some(addresses)
    }

    /// What is right by itself and wrong together.
    pub(super) fn contradictions(&mut self, root: &Fields<'_>, config: &Config) {
        let public = config.listen.iter().find(|address| !address.ip().is_loopback());
        if let Some(address) = public.filter(|_| config.tokens.is_empty()) {
            let at = root.get("listen").map_or(root.at, |node| node.at);
            let message = format!("everybody who reaches {address} could post alerts: there are no `tokens`");
            self.reader.error(at, message, "write `tokens`, or listen on 127.0.0.1");
        }
        for (index, admin) in config.admin_listen.iter().enumerate() {
            let mut earlier = config.listen.iter().chain(&config.admin_listen[..index]);
            if let Some(other) = earlier.find(|other| overlap(admin, other)) {
                let at = root
                    .get("adminListen")
                    .or(root.get("listen"))
                    .map_or(root.at, |node| node.at);
                self.reader.error(
                    at,
                    format!("`adminListen` {admin} and {other} are the same address"),
                    "give each its own port",
                );
            }
        }
        for (index, one) in config.listen.iter().enumerate() {
            if config.listen[..index].iter().any(|other| overlap(one, other)) {
                self.reader
                    .error(root.at("listen"), format!("`listen` has {one} twice"), "remove one");
            }
        }
    }
}

/// Whether both cannot be listened on. Port 0 is any free port.
fn overlap(one: &SocketAddr, other: &SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip()
        || (one.is_ipv4() == other.is_ipv4() && (one.ip().is_unspecified() || other.ip().is_unspecified()));
    one.port() != 0 && one.port() == other.port() && same_ip
}
