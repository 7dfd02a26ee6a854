//! Kubeconfig files: which are read, how several become one, and what one says.
//!
//! kube reads and merges the files. What it makes of them is made here instead, because its own way cannot be had without
//! its reading of the proxy's variables.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use kube::{
    Config,
    config::{ExecAuthCluster, Kubeconfig, KubeconfigError},
};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::access::{AccessError, Environment, address};

/// What was read, and from where.
pub(super) struct Found {
    pub(super) file: String,
    merged: Kubeconfig,
}

/// The file that the configuration names.
pub(super) fn explicit(file: &Path) -> Result<Found, AccessError> {
    Ok(Found {
        file: file.display().to_string(),
        merged: read(file).map_err(|error| broken(file, &error))?,
    })
}

/// `KUBECONFIG`, else `~/.kube/config`. Of several files those that are missing are passed over, as `kubectl` does, and
/// of what two of them say the first counts.
pub(super) fn usual(environment: &Environment) -> Result<Found, AccessError> {
    let files: Vec<PathBuf> = match (environment.get("KUBECONFIG"), environment.get("HOME")) {
        (Some(list), _) => std::env::split_paths(OsStr::new(list))
            .filter(|file| !file.as_os_str().is_empty())
            .collect(),
        (None, Some(home)) => vec![Path::new(home).join(".kube/config")],
        (None, None) => Vec::new(),
    };
    let mut found: Option<Found> = None;
    for file in &files {
        let next = match read(file) {
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == io::ErrorKind::NotFound => continue,
            next => next.map_err(|error| broken(file, &error))?,
        };
        let name = file.display().to_string();
        found = Some(match found {
            None => Found {
                file: name,
                merged: next,
            },
            Some(before) => Found {
                merged: before.merged.merge(next).map_err(|error| broken(file, &error))?,
                file: format!("{} with {name}", before.file),
            },
        });
    }
    found.ok_or_else(|| {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        AccessError::None(match (names.as_slice(), environment.get("KUBECONFIG")) {
            ([], Some(_)) => "KUBECONFIG names no file".to_owned(),
            ([], None) => "neither KUBECONFIG nor HOME is set".to_owned(),
            (names, Some(_)) => format!("KUBECONFIG names no file that is there ({})", names.join(", ")),
            (names, None) => format!("there is no {}", names.join(", ")),
        })
    })
}

impl Found {
    /// What a context says, without the proxy, which is told beside it. The current context, if none is named.
    pub(super) fn config(&self, context: Option<&str>) -> Result<(Config, Option<String>), AccessError> {
        self.read(context).map_err(|problem| AccessError::Kubeconfig {
            file: self.file.clone(),
            problem,
        })
    }

    fn read(&self, context: Option<&str>) -> Result<(Config, Option<String>), String> {
        let merged = &self.merged;
        let names: Vec<&str> = merged.contexts.iter().map(|context| context.name.as_str()).collect();
        let known = match names.as_slice() {
            [] => "it has none".to_owned(),
            names => format!("it has {}", names.join(", ")),
        };
        let Some(name) = context.or(merged.current_context.as_deref()) else {
            return Err(format!("it has no current-context; set kubernetes.context ({known})"));
        };
        let context = merged
            .contexts
            .iter()
            .find(|context| context.name == name)
            .and_then(|context| context.context.as_ref())
            .ok_or_else(|| format!("there is no context {name} in it ({known})"))?;
        let cluster = merged
            .clusters
            .iter()
            .find(|cluster| cluster.name == context.cluster)
            .and_then(|cluster| cluster.cluster.as_ref())
            .ok_or_else(|| {
                format!(
                    "its context {name} names the cluster {}, which is not in it",
                    context.cluster
                )
            })?;
        // As client-go: a user that is not there is nobody.
        let user = context.user.as_ref().and_then(|user| {
            let found = merged.auth_infos.iter().find(|found| found.name == *user)?;
            found.auth_info.clone()
        });
        let server = cluster.server.as_deref().unwrap_or_default();
        let url = address(server).ok_or_else(|| {
            format!(
                "the server of its cluster {} is not an address such as https://api.example.com:6443",
                context.cluster
            )
        })?;

        let authority = ExecAuthCluster::try_from(cluster).map_err(|error| words(&error))?;
        let mut config = Config::new(url);
        config.root_cert = authority
            .certificate_authority_data
            .as_deref()
            .map(|pem| {
                certificates(pem).map_err(|problem| format!("the authority of cluster {} {problem}", context.cluster))
            })
            .transpose()?;
        config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
        config.disable_compression = cluster.disable_compression.unwrap_or(false);
        config.tls_server_name.clone_from(&cluster.tls_server_name);
        config.auth_info = user.unwrap_or_default();
        if let Some(exec) = &mut config.auth_info.exec
            && exec.provide_cluster_info
        {
            exec.cluster = Some(authority);
        }
        Ok((config, cluster.proxy_url.clone()))
    }
}

/// The certificates of a bundle; none is not what anybody meant.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(|certificate| certificate.as_ref().to_vec()))
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err("holds no certificate in PEM".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(format!("is no bundle of certificates in PEM: {error}")),
    }
}

fn read(file: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let mut kubeconfig = Kubeconfig::read_from(file)?;
    // To kubectl an empty name is none: another file's counts.
    kubeconfig.current_context = kubeconfig.current_context.filter(|context| !context.is_empty());
    Ok(kubeconfig)
}

fn broken(file: &Path, error: &KubeconfigError) -> AccessError {
    AccessError::Kubeconfig {
        file: file.display().to_string(),
        problem: words(error),
    }
}

fn words(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => format!("it cannot be read: {error}"),
        // Its words quote the lines around the mistake, and tokens and keys stand there.
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!(
                "line {}, column {} is not what stands in a kubeconfig; `kubectl config view --kubeconfig FILE` reads it too",
                at.line(),
                at.column()
            ),
            None => "it is not the YAML of a kubeconfig".to_owned(),
        },
        error => error.to_string(),
    }
}
