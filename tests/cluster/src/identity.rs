//! Who may talk to the API server: tokens, kubeconfigs, and the key that signs service account tokens.

use std::{collections::BTreeMap, path::Path};

use ring::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};

use crate::{Error, keeper::Group, part::write};

/// The users without any right, to whom a test binds what it needs. Their user names are these names. The API server reads
/// its tokens once, hence the spare ones.
pub const IDENTITIES: [&str; 11] = [
    "selfhealer",
    "reader",
    "nobody",
    "test-0",
    "test-1",
    "test-2",
    "test-3",
    "test-4",
    "test-5",
    "test-6",
    "test-7",
];

/// The cluster's own users: (name of the kubeconfig, user, group).
const OWN: [(&str, &str, &str); 7] = [
    (ADMIN, "admin", "system:masters"),
    (CONTROLLER_MANAGER, "system:kube-controller-manager", ""),
    (SCHEDULER, "system:kube-scheduler", ""),
    (KWOK, "kwok", "system:masters"),
    (METRICS, "kube-state-metrics", "system:masters"),
    (KUBELET, "system:node:real-0", "system:nodes"),
    (KUBE_PROXY, "system:kube-proxy", ""),
];
pub(crate) const ADMIN: &str = "admin";
pub(crate) const CONTROLLER_MANAGER: &str = "kube-controller-manager";
pub(crate) const SCHEDULER: &str = "kube-scheduler";
pub(crate) const KWOK: &str = "kwok";
pub(crate) const METRICS: &str = "kube-state-metrics";
pub(crate) const KUBELET: &str = "kubelet";
pub(crate) const KUBE_PROXY: &str = "kube-proxy";

/// What comes before an uncompressed P-256 point in a `SubjectPublicKeyInfo`.
const P256_PUBLIC_KEY: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The token of every name.
#[derive(Debug)]
pub(crate) struct Tokens(BTreeMap<&'static str, String>);

impl Tokens {
    pub(crate) fn new() -> Self {
        let names = OWN.iter().map(|(name, ..)| *name).chain(IDENTITIES);
        Self(names.map(|name| (name, token())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str, Error> {
        let token = self.0.get(name).map(String::as_str);
        token.ok_or_else(|| Error::UnknownIdentity { identity: name.into() })
    }

    /// What `--token-auth-file` wants: token, user, uid, groups.
    pub(crate) fn csv(&self) -> String {
        let own = OWN.iter().map(|(name, user, group)| (*name, *user, *group));
        let users = own.chain(IDENTITIES.map(|name| (name, name, "")));
        users
            .map(|(name, user, group)| format!("{},{user},{user},\"{group}\"\n", self.0[name]))
            .collect()
    }

    /// Writes `kubeconfig-NAME` for every name.
    pub(crate) fn write_kubeconfigs(&self, group: &Group, url: &str, authority: &Path) -> Result<(), Error> {
        for (name, token) in &self.0 {
            write(group, &kubeconfig_name(name), kubeconfig(name, token, url, authority))?;
        }
        Ok(())
    }
}

/// The file's name in the cluster's folder.
pub(crate) fn kubeconfig_name(identity: &str) -> String {
    format!("kubeconfig-{identity}")
}

fn kubeconfig(name: &str, token: &str, url: &str, authority: &Path) -> String {
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": "test-cluster", "cluster": {"server": url, "certificate-authority": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "test-cluster", "user": name}}],
    });
    // JSON is YAML.
    format!("{config:#}\n")
}

fn token() -> String {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    hex::encode(bytes)
}

/// Writes the pair for service account tokens: `sa.key` and `sa.pub`.
pub(crate) fn write_service_account_keys(group: &Group) -> Result<(), Error> {
    let random = SystemRandom::new();
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("the system has random numbers");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random)
        .expect("the key was made for this algorithm");
    let public = [&P256_PUBLIC_KEY, pair.public_key().as_ref()].concat();
    write(
        group,
        "sa.key",
        pem::encode(&pem::Pem::new("PRIVATE KEY", document.as_ref())),
    )?;
    write(group, "sa.pub", pem::encode(&pem::Pem::new("PUBLIC KEY", public)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_has_a_token_of_its_own_and_no_group() {
        let tokens = Tokens::new();
        let csv = tokens.csv();
        for name in IDENTITIES {
            let line = format!("{},{name},{name},\"\"\n", tokens.get(name).unwrap());
            assert!(csv.contains(&line), "{csv}");
        }
        assert_eq!(csv.lines().count(), IDENTITIES.len() + OWN.len());
        assert_ne!(tokens.get("reader").unwrap(), tokens.get("nobody").unwrap());
    }

    #[test]
    fn an_unknown_identity_is_told_the_known_ones() {
        let error = Tokens::new().get("root").unwrap_err().to_string();
        assert!(
            error.contains("\"root\"") && error.contains("selfhealer, reader"),
            "{error}"
        );
    }
}
