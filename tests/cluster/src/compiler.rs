//! The Go compiler: which one, with which flags, and the hash of all that decides what comes out.

use std::{
    env::consts::{ARCH, OS},
    path::Path,
    process::Command,
};

use sha2::{Digest as _, Sha256};

use crate::{Error, modules::Module};

/// Environment of the compiler: what could change the result is fixed; proxies and module caches are the user's.
const ENVIRONMENT: [(&str, &str); 4] = [
    // No C compiler is needed, and the same programs come out with and without one.
    ("CGO_ENABLED", "0"),
    ("GOFLAGS", "-mod=readonly -buildvcs=false"),
    // The version is part of the cache's key, so it must not be replaced behind our back.
    ("GOTOOLCHAIN", "local"),
    ("GOWORK", "off"),
];

/// A `go` command in `folder`.
pub(crate) fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).envs(ENVIRONMENT);
    command
}

/// What `go` calls itself, if it is new enough for the module.
pub(crate) fn version(module: &Module) -> Result<String, Error> {
    let needed = directive(module.go_mod, "go").unwrap_or_default().to_owned();
    let output = match Command::new("go").args(["env", "GOVERSION"]).envs(ENVIRONMENT).output() {
        Ok(output) if output.status.success() => output,
        _ => return Err(Error::GoMissing { needed }),
    };
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if numbers(&found) >= numbers(&needed) {
        Ok(found)
    } else {
        Err(Error::GoTooOld { found, needed })
    }
}

/// The flags of `go build`.
pub(crate) fn flags(module: &Module) -> Vec<String> {
    let mut link = "-s -w".to_owned();
    if let Some((path, packages)) = module.version {
        let version = directive(module.go_mod, path).unwrap_or_default();
        let parts = numbers(version);
        for package in packages {
            link.push_str(&format!(" -X {package}.gitVersion={version}"));
            for (name, number) in ["gitMajor", "gitMinor"].into_iter().zip(&parts) {
                link.push_str(&format!(" -X {package}.{name}={number}"));
            }
        }
    }
    let mut flags: Vec<_> = ["-p=2", "-trimpath", "-ldflags"].map(String::from).into();
    flags.push(link);
    if !module.tags.is_empty() {
        flags.push(format!("-tags={}", module.tags));
    }
    flags
}

/// The second word of the line (of a `require` block or alone) that starts with `word`.
fn directive<'a>(go_mod: &'a str, word: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() == Some(word) { words.next() } else { None }
    })
}

/// The leading numbers of a version: `go1.26.8` and `v1.26.8` are 1, 26, 8; `go1.27rc1` is 1, 27.
fn numbers(version: &str) -> Vec<u32> {
    let from = version.find(|c: char| c.is_ascii_digit()).unwrap_or(version.len());
    let mut numbers = Vec::new();
    for part in version[from..].split('.') {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        numbers.extend(part[..digits].parse::<u32>());
        if digits < part.len() {
            break;
        }
    }
    numbers
}

/// What the module's folder in the cache is called by.
pub(crate) fn hash(module: &Module, go: &str, flags: &[String]) -> String {
    let mut hash = Sha256::new();
    let environment = ENVIRONMENT.map(|(name, value)| format!("{name}={value}"));
    // A home folder may be shared by machines of several kinds.
    let inputs = [module.go_mod, module.go_sum, go, OS, ARCH].into_iter();
    let inputs = inputs
        .chain(flags.iter().map(String::as_str))
        .chain(environment.iter().map(String::as_str));
    for input in inputs {
        // With its length, so that moving text from one input to the next is another hash.
        hash.update(input.len().to_le_bytes());
        hash.update(input);
    }
    hex::encode(&hash.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tool, modules::ALL};

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(numbers("go1.26.8"), [1, 26, 8]);
        assert_eq!(numbers("v1.36.3"), [1, 36, 3]);
        assert_eq!(numbers("go1.27rc1"), [1, 27]);
        assert_eq!(numbers("go1.26.8 X:nocoverageredesign"), [1, 26, 8]);
        assert!(numbers("go1.9.7") < numbers("1.26.0"));
        assert!(numbers("go1.27") > numbers("1.26.8"));
    }

    #[test]
    fn directives_are_found_alone_and_in_blocks() {
        let go_mod =
            "module m\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/api v0.1.0\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n";
        assert_eq!(directive(go_mod, "go"), Some("1.26.0"));
        assert_eq!(directive(go_mod, "k8s.io/kubernetes"), Some("v1.36.3"));
        assert_eq!(directive(go_mod, "absent"), None);
    }

    #[test]
    fn kubernetes_reports_the_version_of_its_module() {
        let flags = flags(Tool::KubeApiserver.module()).join(" ");
        assert!(
            flags.contains(" -X k8s.io/component-base/version.gitVersion=v1."),
            "{flags}"
        );
        assert!(
            flags.contains(" -X k8s.io/component-base/version.gitMajor=1 "),
            "{flags}"
        );
    }

    #[test]
    fn the_hash_covers_every_input() {
        let module = Tool::Etcd.module();
        let base = hash(module, "go1.26.8", &flags(module));
        assert_eq!(base, hash(module, "go1.26.8", &flags(module)));
        assert_ne!(base, hash(module, "go1.26.9", &flags(module)));
        assert_ne!(base, hash(module, "go1.26.8", &["-race".into()]));
        assert_ne!(base, hash(Tool::Kwok.module(), "go1.26.8", &flags(module)));
    }

    #[test]
    fn every_module_names_the_compiler_that_it_needs() {
        for module in ALL {
            assert!(directive(module.go_mod, "go").is_some(), "{}", module.name);
            assert!(!module.go_sum.is_empty(), "{}", module.name);
        }
    }
}
