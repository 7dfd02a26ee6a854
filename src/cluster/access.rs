//! Where the API server is, as whom to speak to it, and through which proxy.
//!
//! The order: the kubeconfig that the configuration names; in a cluster, the pod's service account; the usual kubeconfig.
//! The first that is there is used, and one that is broken is an error: the next could be another cluster.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use http::Uri;
use kube::Config;

use super::{
    kubeconfig,
    proxy::{self, ProxyError},
};

/// Where Kubernetes mounts the service account of a pod.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The variables that have a say, as they have for `kubectl`.
const VARIABLES: [&str; 10] = [
    "KUBECONFIG",
    "HOME",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Where the API server is and as whom to speak to it.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A kubeconfig file; absent: in the cluster the service account, else the usual kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; absent: the current one.
    pub context: Option<String>,
    /// The time limit of one call.
    pub request_timeout: Duration,
    /// What the process's environment says about it.
    pub environment: Environment,
}

/// What the environment says about the way to a cluster. Empty variables count as absent.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    service_account: PathBuf,
}

/// An access that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A kubeconfig is missing or broken, or its context unknown.
    #[error("the kubeconfig {file} cannot be used: {problem}")]
    Kubeconfig {
        /// The file, or the files that were merged.
        file: String,
        /// Why, and what to do. Never a line of the file, which holds secrets.
        problem: String,
    },
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no access to a cluster: KUBERNETES_SERVICE_HOST is not set, so this is no pod, and {0}. Set kubernetes.kubeconfig, or KUBECONFIG"
    )]
    None(String),
    /// A context is configured where there are none.
    #[error(
        "kubernetes.context is {0}, but in a cluster (KUBERNETES_SERVICE_HOST is set) the pod's service account is used, which has no \
         contexts: remove kubernetes.context, or name the file that has it with kubernetes.kubeconfig"
    )]
    ContextInCluster(String),
    /// In a cluster, without what a pod has there.
    #[error("the access of a pod cannot be used (KUBERNETES_SERVICE_HOST is set, so this is one): {0}")]
    InCluster(String),
    /// The way there is not known.
    #[error("the API server cannot be reached: {0}")]
    Proxy(#[from] ProxyError),
    /// The client could not be made, for example because of a broken certificate.
    #[error("no client for the API server could be made: {0}")]
    Client(kube::Error),
}

impl Environment {
    /// Keeps of these variables what has a say.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            variables: variables
                .into_iter()
                .filter(|(name, value)| VARIABLES.contains(&name.as_str()) && !value.is_empty())
                .collect(),
            service_account: PathBuf::from(SERVICE_ACCOUNT),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The first of these that is there, with its name.
    pub(super) fn first_of<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::new([])
    }
}

/// A proxy's address may hold a password: only the names are shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// What to speak to, what said so, and what is between us.
pub(super) struct Route {
    pub(super) config: Config,
    pub(super) source: String,
    /// The variable or field that names the proxy.
    pub(super) proxy: Option<String>,
}

/// Reads the access; the API server is not asked anything.
pub(super) fn route(access: &Access) -> Result<Route, AccessError> {
    let environment = &access.environment;
    let context = access.context.as_deref();
    let (mut config, proxy_url, source) = match (&access.kubeconfig, environment.get("KUBERNETES_SERVICE_HOST")) {
        (Some(file), _) => from_kubeconfig(kubeconfig::explicit(file)?, context)?,
        (None, Some(host)) => {
            if let Some(context) = context {
                return Err(AccessError::ContextInCluster(context.to_owned()));
            }
            let config = in_cluster(host, environment)?;
            (config, None, "the pod's service account".to_owned())
        }
        (None, None) => from_kubeconfig(kubeconfig::usual(environment)?, context)?,
    };
    let proxy = proxy::of(&config.cluster_url, proxy_url.as_deref(), environment)?;
    config.proxy_url = proxy.as_ref().map(|proxy| proxy.address.clone());
    config.default_retry = false;
    config.connect_timeout = Some(access.request_timeout);
    config.read_timeout = None;
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(concat!("selfhealer/", env!("CARGO_PKG_VERSION"))),
    ));
    Ok(Route {
        config,
        source,
        proxy: proxy.map(|proxy| proxy.named_by),
    })
}

fn from_kubeconfig(
    found: kubeconfig::Found,
    context: Option<&str>,
) -> Result<(Config, Option<String>, String), AccessError> {
    let (config, proxy_url) = found.config(context)?;
    Ok((config, proxy_url, format!("the kubeconfig {}", found.file)))
}

/// As client-go's `InClusterConfig`. kube's own reads the process's environment and fixed folders, and ignores proxies.
fn in_cluster(host: &str, environment: &Environment) -> Result<Config, AccessError> {
    let broken = AccessError::InCluster;
    let Some(port) = environment.get("KUBERNETES_SERVICE_PORT") else {
        return Err(broken(
            "KUBERNETES_SERVICE_PORT is not set; Kubernetes sets both".to_owned(),
        ));
    };
    // An IPv6 address needs brackets in a URL.
    let text = match host.contains(':') {
        true => format!("https://[{host}]:{port}"),
        false => format!("https://{host}:{port}"),
    };
    let url = address(&text).ok_or_else(|| {
        broken(format!(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make no address: {text}"
        ))
    })?;
    let folder = &environment.service_account;
    let (token, authority) = (folder.join("token"), folder.join("ca.crt"));
    read(&token).map_err(|problem| {
        broken(format!(
            "{problem}. The pod needs a service account whose token is mounted (automountServiceAccountToken), or \
             kubernetes.kubeconfig"
        ))
    })?;
    let authorities = read(&authority)
        .and_then(|pem| kubeconfig::certificates(&pem).map_err(|problem| format!("{} {problem}", authority.display())));
    let mut config = Config::new(url);
    config.root_cert = Some(authorities.map_err(broken)?);
    // Both are replaced while we run, and read anew by kube.
    config.root_cert_file = Some(authority);
    config.auth_info.token_file = Some(token.display().to_string());
    Ok(config)
}

/// A URL with a scheme that we speak, a host, and a port that is one: `Uri` itself takes less for enough.
pub(super) fn address(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let authority = url.authority()?;
    let place = authority.as_str().rsplit('@').next()?;
    let is_whole = matches!(url.scheme_str(), Some("http" | "https"))
        && !authority.host().is_empty()
        && (authority.port_u16().is_some() || place == authority.host());
    is_whole.then_some(url)
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error: io::Error| format!("{} cannot be read: {error}", file.display()))
}

#[cfg(test)]
mod tests;
