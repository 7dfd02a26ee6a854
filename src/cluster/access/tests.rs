#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;

/// An authority's certificate, as `openssl req -x509` makes one. Nothing is signed by it.
const CERTIFICATE: &str = include_str!("authority.pem");

/// A folder with files that a machine or a pod may have.
struct Machine {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Machine {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// With what Kubernetes gives to a pod.
    fn in_a_pod(self, host: &str) -> Self {
        self.file("account/token", "hunter2");
        self.file("account/ca.crt", CERTIFICATE);
        self.set("KUBERNETES_SERVICE_HOST", host)
            .set("KUBERNETES_SERVICE_PORT", "443")
    }

    fn access(&self, kubeconfig: Option<&str>, context: Option<&str>) -> Access {
        let mut environment = Environment::new(self.variables.clone());
        environment.service_account = self.path("account");
        Access {
            kubeconfig: kubeconfig.map(|name| self.path(name)),
            context: context.map(str::to_owned),
            request_timeout: Duration::from_secs(2),
            environment,
        }
    }

    fn route(&self, kubeconfig: Option<&str>, context: Option<&str>) -> Result<Route, AccessError> {
        route(&self.access(kubeconfig, context))
    }

    /// Where it leads.
    fn server(&self, kubeconfig: Option<&str>, context: Option<&str>) -> String {
        self.route(kubeconfig, context).unwrap().config.cluster_url.to_string()
    }

    /// Why it leads nowhere; the folder is `DIR`.
    fn refused(&self, kubeconfig: Option<&str>, context: Option<&str>) -> String {
        let error = self.route(kubeconfig, context).map(|route| route.source).unwrap_err();
        error
            .to_string()
            .replace(&self.folder.path().display().to_string(), "DIR")
    }
}

/// A kubeconfig whose contexts are these names, the first of them current; each has a cluster and a user of its name.
fn kubeconfig(names: &[&str]) -> String {
    let each = |part: &dyn Fn(&str) -> String| names.iter().map(|name| part(name)).collect::<Vec<_>>().join("\n");
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {}\ncontexts:\n{}\nclusters:\n{}\nusers:\n{}\n",
        names[0],
        each(&|name| format!("- {{name: {name}, context: {{cluster: {name}, user: {name}}}}}")),
        each(&|name| format!("- {{name: {name}, cluster: {{server: 'https://{name}.example.com:6443'}}}}")),
        each(&|name| format!("- {{name: {name}, user: {{token: hunter2}}}}")),
    )
}

#[test]
fn the_configured_file_comes_before_the_pod_and_the_pod_before_the_usual_file() {
    let machine = Machine::new();
    machine.file("explicit", &kubeconfig(&["explicit"]));
    machine.file("usual", &kubeconfig(&["usual"]));
    machine.file(".kube/config", &kubeconfig(&["home"]));
    let home = machine.folder.path().display().to_string();
    let machine = machine.set("HOME", home);
    assert_eq!(
        machine.server(Some("explicit"), None),
        "https://explicit.example.com:6443/"
    );
    assert_eq!(machine.server(None, None), "https://home.example.com:6443/");
    let usual = machine.path("usual").display().to_string();
    let machine = machine.set("KUBECONFIG", usual);
    assert_eq!(machine.server(None, None), "https://usual.example.com:6443/");
    let machine = machine.in_a_pod("10.96.0.1");
    assert_eq!(
        machine.server(Some("explicit"), None),
        "https://explicit.example.com:6443/"
    );
    assert_eq!(machine.server(None, None), "https://10.96.0.1:443/");
    let route = machine.route(None, None).unwrap();
    assert_eq!(route.source, "the pod's service account");
    let token = machine.path("account/token").display().to_string();
    assert_eq!(route.config.auth_info.token_file, Some(token));
    assert_eq!(route.config.root_cert.unwrap().len(), 1);
    assert_eq!(route.config.root_cert_file, Some(machine.path("account/ca.crt")));
    assert!(!route.config.default_retry);
}

#[test]
fn a_context_is_used_in_whichever_kubeconfig() {
    let machine = Machine::new();
    machine.file("explicit", &kubeconfig(&["one", "two"]));
    let usual = machine.file(".kube/config", &kubeconfig(&["three", "four"]));
    let home = machine.folder.path().display().to_string();
    let machine = machine.set("HOME", home);
    assert_eq!(
        machine.server(Some("explicit"), Some("two")),
        "https://two.example.com:6443/"
    );
    assert_eq!(machine.server(None, Some("four")), "https://four.example.com:6443/");
    assert_eq!(
        machine.refused(None, Some("five")),
        "the kubeconfig DIR/.kube/config cannot be used: there is no context five in it (it has three, four)"
    );
    let machine = machine.set("KUBECONFIG", usual.display().to_string());
    assert_eq!(machine.server(None, Some("four")), "https://four.example.com:6443/");
    assert_eq!(
        machine.in_a_pod("10.96.0.1").refused(None, Some("four")),
        "kubernetes.context is four, but in a cluster (KUBERNETES_SERVICE_HOST is set) the pod's service account is used, which has no \
         contexts: remove kubernetes.context, or name the file that has it with kubernetes.kubeconfig"
    );
}

#[test]
fn several_files_become_one_and_the_first_word_counts() {
    let machine = Machine::new();
    let one = machine.file(
        "one",
        "clusters:\n- {name: both, cluster: {server: 'https://first:1'}}\ncurrent-context: ''\n",
    );
    let two = machine.file("two", &kubeconfig(&["both", "second"]));
    let missing = machine.path("missing");
    let list = format!("{}::{}:{}", missing.display(), one.display(), two.display());
    let machine = machine.set("KUBECONFIG", list);
    assert_eq!(machine.server(None, None), "https://first:1/");
    assert_eq!(machine.server(None, Some("second")), "https://second.example.com:6443/");
    let source = machine.route(None, None).unwrap().source;
    assert_eq!(
        source,
        format!("the kubeconfig {} with {}", one.display(), two.display())
    );

    // A file that is broken is not passed over for the others.
    machine.file("one", "clusters: 7\n");
    let refused = machine.refused(None, None);
    assert!(
        refused.starts_with("the kubeconfig DIR/one cannot be used: line 1, column 11 is not"),
        "{refused}"
    );
}

#[test]
fn what_is_broken_is_told_and_not_passed_over() {
    let machine = Machine::new().in_a_pod("10.96.0.1");
    machine.file(".kube/config", &kubeconfig(&["home"]));
    let home = machine.folder.path().display().to_string();
    let machine = machine.set("HOME", home);
    let explicit = |text: &str| {
        machine.file("explicit", text);
        let told = machine.refused(Some("explicit"), None);
        assert!(!told.contains("hunter2"), "{told}");
        told.strip_prefix("the kubeconfig DIR/explicit cannot be used: ")
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        explicit(""),
        "it has no current-context; set kubernetes.context (it has none)"
    );
    let typed = "users:\n- name: me\n  user: {token: [hunter2]}\n";
    assert!(
        explicit(typed).starts_with("line 3, column 17 is not what stands in a kubeconfig"),
        "{}",
        explicit(typed)
    );
    assert!(explicit("users:\n- {name: me, user: {token: hunter2}\n").starts_with("line "));
    let one = kubeconfig(&["one"]);
    assert_eq!(
        explicit(&one.replace("current-context: one", "current-context: two")),
        "there is no context two in it (it has one)"
    );
    assert_eq!(
        explicit(&one.replace("cluster: one", "cluster: gone")),
        "its context one names the cluster gone, which is not in it"
    );
    assert_eq!(
        explicit(&one.replace("https://one", "one")),
        "the server of its cluster one is not an address such as https://api.example.com:6443"
    );
    let authority = |data: &str| one.replace("cluster: {server", &format!("cluster: {{{data}, server"));
    assert!(explicit(&authority("certificate-authority: gone.crt")).contains("DIR/gone.crt"));
    machine.file("empty.crt", "");
    assert_eq!(
        explicit(&authority("certificate-authority: empty.crt")),
        "the authority of cluster one holds no certificate in PEM"
    );
    assert!(
        machine
            .refused(Some("absent"), None)
            .contains("DIR/absent cannot be used: it cannot be read: No such file")
    );

    // Nor is a pod without its account taken for something else.
    fs::remove_file(machine.path("account/token")).unwrap();
    assert!(machine.refused(None, None).contains("DIR/account/token cannot be read"));
    machine.file("account/token", "hunter2");
    machine.file("account/ca.crt", "hunter2");
    assert!(
        machine
            .refused(None, None)
            .ends_with("DIR/account/ca.crt holds no certificate in PEM")
    );
}

#[test]
fn without_any_access_it_is_told_what_was_looked_for() {
    let told = |machine: &Machine| machine.refused(None, None);
    assert_eq!(
        told(&Machine::new()),
        "no access to a cluster: KUBERNETES_SERVICE_HOST is not set, so this is no pod, and neither KUBECONFIG nor HOME is set. Set \
         kubernetes.kubeconfig, or KUBECONFIG"
    );
    let machine = Machine::new();
    let home = machine.folder.path().display().to_string();
    let machine = machine.set("HOME", home);
    assert!(told(&machine).contains("and there is no DIR/.kube/config. Set"));
    // Where a file is named, the one at home is not meant.
    machine.file(".kube/config", &kubeconfig(&["home"]));
    assert!(told(&machine.set("KUBECONFIG", "/absent")).contains("KUBECONFIG names no file that is there (/absent)"));
    let half = Machine::new().set("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    assert!(told(&half).contains("KUBERNETES_SERVICE_PORT is not set"));
}

#[test]
fn a_proxy_is_used_and_excepted_in_a_pod_and_outside_alike() {
    let proxy = |machine: &Machine, kubeconfig: Option<&str>| {
        let route = machine.route(kubeconfig, None).unwrap();
        route.config.proxy_url.map(|url| url.to_string())
    };
    let behind = Machine::new()
        .set("HTTPS_PROXY", "http://me:hunter2@proxy:3128")
        .in_a_pod("10.96.0.1");
    behind.file("explicit", &kubeconfig(&["explicit"]));
    let used = Some("http://me:hunter2@proxy:3128/".to_owned());
    assert_eq!(proxy(&behind, None), used);
    assert_eq!(proxy(&behind, Some("explicit")), used);
    assert_eq!(behind.route(None, None).unwrap().proxy.as_deref(), Some("HTTPS_PROXY"));
    assert_eq!(
        format!("{:?}", behind.access(None, None).environment),
        r#"{"HTTPS_PROXY", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}"#
    );

    let excepted = behind.set("NO_PROXY", "localhost,10.96.0.0/12,.example.com,");
    assert_eq!(proxy(&excepted, None), None);
    assert_eq!(proxy(&excepted, Some("explicit")), None);
    let own = kubeconfig(&["own"]).replace("cluster: {server", "cluster: {proxy-url: 'http://own:1', server");
    excepted.file("own", &own);
    assert_eq!(proxy(&excepted, Some("own")).as_deref(), Some("http://own:1/"));
    let v6 = Machine::new()
        .in_a_pod("fd00::1")
        .set("HTTPS_PROXY", "proxy:1")
        .set("NO_PROXY", "fd00::/8");
    assert_eq!(v6.server(None, None), "https://[fd00::1]:443/");
    assert_eq!(proxy(&v6, None), None);
}
