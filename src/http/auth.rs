//! Who may do what: bearer tokens, each in a file of its own with permissions.
//!
//! The files are Kubernetes Secrets as a rule, and change while we run: kubelet swaps a symbolic link. So they are read
//! again when they are used, at most once a second; there is no watch that could miss the swap.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::{clock::Clock, domain::permission::Permission};

/// Files are looked at again after so many milliseconds, when they are used.
const LOOK_AGAIN: u64 = 1000;
/// A file that is larger is not a token.
const LARGEST: u64 = 64 * 1024;

/// A token as it is configured.
#[derive(Clone, Debug)]
pub struct TokenFile {
    /// What the audit log and pages call its holder.
    pub name: String,
    /// Where it stands.
    pub file: PathBuf,
    /// What it may be used for.
    pub permissions: Vec<Permission>,
}

/// A token that cannot be used from the start: the service must not run with fewer than it was given.
#[derive(Debug, thiserror::Error)]
#[error("the token {name} cannot be read from {}: {source}", file.display())]
pub struct TokenError {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// All tokens.
#[derive(Clone)]
pub struct Tokens {
    tokens: Arc<[Token]>,
    clock: Arc<dyn Clock>,
    /// Milliseconds of the monotonic clock.
    look_again_at: Arc<AtomicU64>,
}

struct Token {
    file: TokenFile,
    /// The value itself is not kept.
    digest: RwLock<Digest>,
    /// Whether its file could not be read when it was last tried.
    stale: AtomicBool,
}

type Digest = [u8; 32];

/// Somebody whose token is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// The token's name.
    pub(super) name: String,
    /// What it may be used for.
    pub(super) permissions: Vec<Permission>,
}

impl Tokens {
    /// Reads all tokens. With none at all, everybody is `anonymous` and may do everything: the configuration allows
    /// that on a loopback address only.
    pub fn open(files: Vec<TokenFile>, clock: Arc<dyn Clock>) -> Result<Self, TokenError> {
        let tokens = files.into_iter().map(Token::open).collect::<Result<_, _>>()?;
        let look_again_at = Arc::new(AtomicU64::new(millis(&*clock) + LOOK_AGAIN));
        Ok(Self {
            tokens,
            clock,
            look_again_at,
        })
    }

    /// Whether there are any; otherwise nobody needs one.
    pub(super) fn required(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The holder of this token. How long it takes tells nothing but how many tokens there are: all are compared, by
    /// digest. Of two tokens with the same value it is the first.
    pub(super) fn holder(&self, token: &[u8]) -> Option<Holder> {
        self.look_again();
        let presented: Digest = Sha256::digest(token).into();
        let none = self.tokens.len() as u64;
        let mut found = none;
        for (index, token) in self.tokens.iter().enumerate().rev() {
            let digest = *token.digest.read().unwrap_or_else(PoisonError::into_inner);
            found.conditional_assign(&(index as u64), digest.ct_eq(&presented));
        }
        self.tokens.get(usize::try_from(found).ok()?).map(|token| Holder {
            name: token.file.name.clone(),
            permissions: token.file.permissions.clone(),
        })
    }

    /// One request per second looks; the others go on with what is known.
    fn look_again(&self) {
        let now = millis(&*self.clock);
        let due = self.look_again_at.load(Ordering::Acquire);
        let won = now >= due
            && self
                .look_again_at
                .compare_exchange(due, now + LOOK_AGAIN, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if won {
            self.tokens.iter().for_each(Token::look_again);
        }
    }
}

impl Token {
    fn open(file: TokenFile) -> Result<Self, TokenError> {
        match read(&file) {
            Ok(digest) => Ok(Self {
                file,
                digest: RwLock::new(digest),
                stale: AtomicBool::new(false),
            }),
            Err(source) => Err(TokenError {
                name: file.name,
                file: file.file,
                source,
            }),
        }
    }

    /// Takes a new value; keeps the last good one when there is none to take.
    fn look_again(&self) {
        let (name, file) = (&self.file.name, self.file.file.display());
        match read(&self.file) {
            Ok(digest) => {
                if self.stale.swap(false, Ordering::Relaxed) {
                    tracing::info!(token = name, %file, "a token's file can be read again");
                }
                let mut known = self.digest.write().unwrap_or_else(PoisonError::into_inner);
                if *known != digest {
                    *known = digest;
                    tracing::info!(token = name, %file, "a token has changed");
                }
            }
            Err(error) => {
                if !self.stale.swap(true, Ordering::Relaxed) {
                    tracing::warn!(token = name, %file, %error, "a token's file cannot be read; its last value stays in force");
                }
            }
        }
    }
}

/// The digest of what stands in the file. Editors and `echo` end it with a newline, which is not meant.
fn read(token: &TokenFile) -> io::Result<Digest> {
    let mut value = Vec::new();
    File::open(&token.file)?.take(LARGEST + 1).read_to_end(&mut value)?;
    if value.len() as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is too large to be a token",
        ));
    }
    while let Some(b'\n' | b'\r') = value.last() {
        value.pop();
    }
    if value.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    Ok(Sha256::digest(&value).into())
}

fn millis(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path, sync::Mutex, time::Duration};

    use futures::future::BoxFuture;
    use jiff::Timestamp;

    use super::*;

    /// A clock that stands still until it is told.
    #[derive(Default)]
    struct Hand(Mutex<Duration>);

    impl Hand {
        fn on(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    fn token(name: &str, file: &Path, permissions: &[Permission]) -> TokenFile {
        TokenFile {
            name: name.to_owned(),
            file: file.to_owned(),
            permissions: permissions.to_vec(),
        }
    }

    fn name(tokens: &Tokens, value: &str) -> Option<String> {
        tokens.holder(value.as_bytes()).map(|holder| holder.name)
    }

    #[test]
    fn each_token_has_its_own_name_and_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&a, "first\n").unwrap();
        fs::write(&b, "second\r\n").unwrap();
        let files = vec![
            token("alertmanager", &a, &[Permission::Ingest]),
            token("oncall", &b, &[Permission::View, Permission::Operate]),
        ];
        let tokens = Tokens::open(files, Arc::new(Hand::default())).unwrap();
        assert_eq!(name(&tokens, "first").unwrap(), "alertmanager");
        assert_eq!(
            tokens.holder(b"second").unwrap().permissions,
            [Permission::View, Permission::Operate]
        );
        for other in ["", "first\n", "firs", "first ", "third"] {
            assert_eq!(name(&tokens, other), None, "{other:?}");
        }
    }

    #[test]
    fn of_two_equal_tokens_the_first_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "same").unwrap();
        let files = vec![token("one", &file, &[]), token("two", &file, &Permission::ALL)];
        let tokens = Tokens::open(files, Arc::new(Hand::default())).unwrap();
        assert_eq!(name(&tokens, "same").unwrap(), "one");
    }

    #[test]
    fn a_token_that_changes_is_read_again_after_a_second_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        // As kubelet does it: the file is a link into `..data`, itself a link that is swapped.
        fs::create_dir(folder.path().join("v1")).unwrap();
        fs::create_dir(folder.path().join("v2")).unwrap();
        fs::write(folder.path().join("v1/token"), "old-1").unwrap();
        fs::write(folder.path().join("v2/token"), "new-2").unwrap();
        symlink("v1", folder.path().join("..data")).unwrap();
        symlink("..data/token", folder.path().join("token")).unwrap();
        let clock = Arc::new(Hand::default());
        let files = vec![token("a", &folder.path().join("token"), &[])];
        let tokens = Tokens::open(files, clock.clone()).unwrap();
        symlink("v2", folder.path().join("..tmp")).unwrap();
        fs::rename(folder.path().join("..tmp"), folder.path().join("..data")).unwrap();
        clock.on(Duration::from_millis(999));
        assert_eq!(name(&tokens, "old-1").unwrap(), "a");
        clock.on(Duration::from_millis(1));
        assert_eq!(name(&tokens, "new-2").unwrap(), "a");
        assert_eq!(name(&tokens, "old-1"), None);
    }

    #[test]
    fn a_file_that_vanishes_or_is_emptied_keeps_its_last_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "good").unwrap();
        let clock = Arc::new(Hand::default());
        let tokens = Tokens::open(vec![token("a", &file, &[])], clock.clone()).unwrap();
        let oversized = "x".repeat(70_000);
        for broken in [Some("\n"), Some(""), Some(oversized.as_str()), None] {
            match broken {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            clock.on(Duration::from_secs(2));
            assert_eq!(name(&tokens, "good").unwrap(), "a");
            assert_eq!(name(&tokens, ""), None);
        }
        fs::write(&file, "better").unwrap();
        clock.on(Duration::from_secs(2));
        assert_eq!(name(&tokens, "better").unwrap(), "a");
    }

    #[test]
    fn the_service_does_not_start_with_a_token_that_it_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let open = || Tokens::open(vec![token("oncall", &file, &[])], Arc::new(Hand::default()));
        let message = open().err().unwrap().to_string();
        assert!(message.contains("oncall") && message.contains("token"), "{message}");
        fs::write(&file, "\n").unwrap();
        assert!(open().err().unwrap().to_string().ends_with("it is empty"));
    }
}
