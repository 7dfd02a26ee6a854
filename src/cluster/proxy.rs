//! Which proxy, if any, is between us and the API server: what `kubectl` would use.
//!
//! kube 5.0 reads the environment itself, but compares `NO_PROXY` with the proxy's address instead of the server's, cannot
//! read a list that ends with a comma, and has no proxy at all in a cluster. So the answer is made here and handed to it.
//!
//! An address of a proxy may hold a password, and is never part of a message or of the log.

use http::Uri;

use super::{
    access::{Environment, address},
    no_proxy::is_direct,
};

/// The proxy, and what named it.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: Uri,
    pub(super) named_by: String,
}

/// A proxy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Not a URL with a host. What it is instead is not told, since it may be a password.
    #[error("{named_by} is not the address of a proxy: write for example http://proxy.example.com:3128")]
    Malformed {
        /// The variable, or the place in the kubeconfig.
        named_by: String,
    },
    /// A protocol that we do not speak.
    #[error(
        "{named_by} names a proxy of the scheme {scheme}, which is not supported: name one that begins with http:// or https://"
    )]
    Scheme {
        /// The variable, or the place in the kubeconfig.
        named_by: String,
        /// `socks5`.
        scheme: String,
    },
}

/// The proxy of a kubeconfig's cluster, else the environment's for servers of this scheme, unless `NO_PROXY` excepts this one.
///
/// As in client-go, `proxy-url` is used whatever `NO_PROXY` says. Unlike there, a variable that is no address is an error:
/// Go would ask directly, past the proxy that somebody meant.
pub(super) fn of(
    server: &Uri,
    proxy_url: Option<&str>,
    environment: &Environment,
) -> Result<Option<Proxy>, ProxyError> {
    if let Some(address) = proxy_url.map(str::trim).filter(|address| !address.is_empty()) {
        return parse(address, "proxy-url in the kubeconfig").map(Some);
    }
    let (names, default_port) = match server.scheme_str() {
        Some("http") => (["HTTP_PROXY", "http_proxy"], 80),
        _ => (["HTTPS_PROXY", "https_proxy"], 443),
    };
    let Some((name, address)) = environment.first_of(&names) else {
        return Ok(None);
    };
    let host = server.host().unwrap_or_default();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let excepted = environment
        .first_of(&["NO_PROXY", "no_proxy"])
        .map_or("", |(_, list)| list);
    if is_direct(excepted, host, server.port_u16().unwrap_or(default_port)) {
        return Ok(None);
    }
    let address = address.trim();
    // As Go reads it: `proxy.example.com:3128` is an http proxy. In a kubeconfig the scheme must be there.
    match address.contains("://") {
        true => parse(address, name),
        false => parse(&format!("http://{address}"), name),
    }
    .map(Some)
}

fn parse(text: &str, named_by: &str) -> Result<Proxy, ProxyError> {
    let named_by = named_by.to_owned();
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme {
        Some(scheme) if matches!(scheme.as_str(), "http" | "https") => {}
        Some(scheme) if !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
            return Err(ProxyError::Scheme { named_by, scheme });
        }
        _ => return Err(ProxyError::Malformed { named_by }),
    }
    match address(text) {
        Some(address) => Ok(Proxy { address, named_by }),
        None => Err(ProxyError::Malformed { named_by }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The proxy for a server, under these variables and this `proxy-url`.
    fn chosen(server: &str, proxy_url: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<String>, ProxyError> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let proxy = of(&server.parse().unwrap(), proxy_url, &Environment::new(variables))?;
        Ok(proxy.map(|proxy| format!("{} by {}", proxy.address, proxy.named_by)))
    }

    const SERVER: &str = "https://api.example.com:6443";

    #[test]
    fn the_variable_of_the_servers_scheme_counts_in_upper_case_before_lower_case() {
        let chosen = |server, variables| chosen(server, None, variables).unwrap().unwrap_or_default();
        let all = &[
            ("https_proxy", "http://lower:1"),
            ("HTTPS_PROXY", "http://upper:1"),
            ("HTTP_PROXY", "http://plain:1"),
            ("ALL_PROXY", "http://all:1"),
        ];
        assert_eq!(chosen(SERVER, all), "http://upper:1/ by HTTPS_PROXY");
        assert_eq!(chosen(SERVER, &all[..1]), "http://lower:1/ by https_proxy");
        assert_eq!(
            chosen(SERVER, &[("HTTPS_PROXY", ""), ("https_proxy", "http://lower:1")]),
            "http://lower:1/ by https_proxy"
        );
        assert_eq!(
            chosen("http://api.example.com:8080", all),
            "http://plain:1/ by HTTP_PROXY"
        );
        assert_eq!(chosen(SERVER, &all[2..]), "");
        assert_eq!(
            chosen(SERVER, &[("HTTPS_PROXY", " proxy.example.com:3128 ")]),
            "http://proxy.example.com:3128/ by HTTPS_PROXY"
        );
    }

    #[test]
    fn no_proxy_is_compared_with_the_servers_own_host_and_port() {
        let direct = |server, list| {
            let variables = [("HTTPS_PROXY", "http://proxy:1"), ("NO_PROXY", list)];
            chosen(server, None, &variables).unwrap().is_none()
        };
        assert!(direct(SERVER, "localhost,.example.com,"));
        assert!(direct(SERVER, "api.example.com:6443"));
        assert!(!direct(SERVER, "api.example.com:443"));
        assert!(direct("https://api.example.com", "api.example.com:443"));
        assert!(
            !direct(SERVER, "proxy"),
            "the proxy's own address is not what is compared"
        );
        assert!(direct("https://[fd00::1]:6443", "fd00::/8"));
        assert!(direct("https://10.96.0.1", "10.96.0.0/12"));
        assert!(direct("https://127.0.0.1:6443", ""));
    }

    #[test]
    fn the_kubeconfigs_proxy_wins_and_is_not_excepted() {
        let variables = [("HTTPS_PROXY", "http://environment:1"), ("NO_PROXY", "*")];
        assert_eq!(
            chosen(SERVER, Some("http://kubeconfig:1"), &variables)
                .unwrap()
                .unwrap(),
            "http://kubeconfig:1/ by proxy-url in the kubeconfig"
        );
        assert_eq!(chosen(SERVER, Some(""), &variables).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_used_is_told_in_words_and_without_the_password() {
        let told = |address| {
            let told = chosen(SERVER, None, &[("HTTPS_PROXY", address)])
                .unwrap_err()
                .to_string();
            assert!(!told.contains("hunter2"), "{told}");
            told
        };
        assert!(told("socks5://me:hunter2@proxy:1080").contains("HTTPS_PROXY names a proxy of the scheme socks5,"));
        assert!(told("socks5h://me:hunter2@proxy:1080").contains("socks5h"));
        for nonsense in [
            "http://",
            "http://me:hunter2@pro xy:1",
            "me:hunter2@",
            "hunter2!://proxy",
            "http://h:hunter2",
        ] {
            let words = told(nonsense);
            assert!(
                words.starts_with("HTTPS_PROXY is not the address of a proxy"),
                "{words}"
            );
        }
        let bare = chosen(SERVER, Some("proxy:3128"), &[]).unwrap_err().to_string();
        assert!(
            bare.starts_with("proxy-url in the kubeconfig is not the address"),
            "{bare}"
        );
        // It is not asked for where it is not used.
        let excepted = [("HTTPS_PROXY", "socks5://proxy"), ("NO_PROXY", "example.com")];
        assert_eq!(chosen(SERVER, None, &excepted).unwrap(), None);
    }
}
