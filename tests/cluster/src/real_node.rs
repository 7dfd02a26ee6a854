//! A real node beside KWOK's: kubelet, kube-proxy and containerd, which run real containers.
//!
//! ```text
//! this machine: API server, controllers, KWOK, Prometheus ──link 10.200.N.0/24──┐
//!                                                                               │
//! namespaces of its own (network, mounts, processes): kubelet, kube-proxy, containerd ─► pods 10.201.N.0/24
//! ```
//!
//! Whatever runs there is in one process namespace ([`machine`]), so the kernel ends all of it with that namespace's first
//! process: containers, mounts and the link too. Only control groups are left; the keeper removes them with the folder,
//! and what even the keeper could not remove is cleared by the next start ([`leftovers`]).

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tokio::sync::Mutex;

use crate::{
    Error, RealNodeOptions, Tool, build,
    identity::{self, kubeconfig_name},
    keeper::Group,
    part::{Part, program, run, write},
    probe::Probe,
};

mod cgroups;
mod configuration;
mod image;
mod leftovers;
mod machine;
mod requirements;

pub(crate) use machine::Link;
use machine::Machine;

/// The node's name.
pub const REAL_NODE: &str = "real-0";
/// The label of the real node, for a pod's `nodeSelector`, and its taint (effect `NoSchedule`): nothing lands there that
/// does not ask for it.
pub const REAL_NODE_LABEL: (&str, &str) = ("bench/real", "true");

const SHARED: &str = "shared";

/// The running node. It ends with its cluster.
#[derive(Debug)]
pub struct RealNode {
    kubelet: Mutex<Option<Part>>,
    containerd: Mutex<Part>,
    proxy: Mutex<Option<Part>>,
    programs: Programs,
    machine: Machine,
    alone: bool,
    group: Arc<Group>,
}

#[derive(Clone, Debug)]
struct Programs {
    kubelet: PathBuf,
    proxy: PathBuf,
    containerd: PathBuf,
    ctr: PathBuf,
}

impl From<[PathBuf; 4]> for Programs {
    fn from([kubelet, proxy, containerd, ctr]: [PathBuf; 4]) -> Self {
        Self {
            kubelet,
            proxy,
            containerd,
            ctr,
        }
    }
}

impl RealNode {
    /// What is missing on this machine for a real node, each with what to do about it. Empty: nothing.
    #[must_use]
    pub fn missing() -> Vec<String> {
        requirements::missing()
    }

    /// Makes the machine, and starts containerd with the test images and these archives. Kubelet and proxy follow when
    /// there is an API server: [`RealNode::join`].
    pub(crate) async fn prepare(group: &Arc<Group>, options: &RealNodeOptions) -> Result<Self, Error> {
        let missing = Self::missing();
        if !missing.is_empty() {
            return Err(Error::RealNode { missing });
        }
        let tools = [Tool::Kubelet, Tool::KubeProxy, Tool::Containerd, Tool::Ctr];
        let programs = Programs::from(build::tools(tools).await?);
        leftovers::clear()?;
        let machine = Machine::start(group).await?;
        write(group, "containerd.toml", configuration::containerd(group))?;
        for name in ["cni", SHARED] {
            fs::create_dir(group.folder().join(name)).map_err(Error::io(format!("making the folder {name}")))?;
        }
        write(
            group,
            "cni/pods.conflist",
            configuration::pod_network(group, machine.link()),
        )?;
        let mut command = machine.command(&programs.containerd, group);
        command.args(["--config", "containerd.toml", "--log-level", "warn"]);
        let mut containerd = Part::start(group, Tool::Containerd.name(), command)?;
        let busybox = image::busybox(group)?;
        let ready = || async {
            let mut look = ctr(&programs, &machine, group);
            look.arg("version");
            run("asking containerd", look)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        containerd.ready(ready).await?;
        let this = Self {
            kubelet: Mutex::new(None),
            containerd: Mutex::new(containerd),
            proxy: Mutex::new(None),
            programs,
            machine,
            alone: options.alone,
            group: Arc::clone(group),
        };
        for archive in busybox.iter().chain(&options.images) {
            this.import(archive)?;
        }
        Ok(this)
    }

    /// How this machine and the node reach each other.
    pub(crate) fn link(&self) -> Link {
        self.machine.link()
    }

    /// Starts the proxy and the kubelet, which makes the node.
    pub(crate) async fn join(&self) -> Result<(), Error> {
        let link = self.machine.link();
        write(&self.group, "kube-proxy.yaml", configuration::proxy(&self.group, link))?;
        let mut command = self.machine.command(&self.programs.proxy, &self.group);
        command.args(["--config", "kube-proxy.yaml"]);
        *self.proxy.lock().await = Some(Part::start(&self.group, Tool::KubeProxy.name(), command)?);
        cgroups::create(&self.group)?;
        write(
            &self.group,
            "kubelet.yaml",
            configuration::kubelet(&self.group, link, self.alone),
        )?;
        self.start_kubelet().await
    }

    /// Starts the kubelet, unless it runs, and waits until it answers.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub async fn start_kubelet(&self) -> Result<(), Error> {
        let mut kubelet = self.kubelet.lock().await;
        if kubelet.is_some() {
            return Ok(());
        }
        let link = self.machine.link();
        let (key, value) = REAL_NODE_LABEL;
        let mut command = self.machine.command(&self.programs.kubelet, &self.group);
        command
            .args(["--config", "kubelet.yaml", "--root-dir"])
            .arg(self.group.folder().join("kubelet"))
            .arg("--cert-dir")
            .arg(self.group.folder().join("kubelet-certificates"))
            .arg("--kubeconfig")
            .arg(self.group.folder().join(kubeconfig_name(identity::KUBELET)))
            .args(["--hostname-override", REAL_NODE, "--node-ip", &link.node().to_string()])
            .arg(format!("--node-labels={key}={value}"));
        let mut part = Part::start(&self.group, Tool::Kubelet.name(), command)?;
        let (probe, url) = (Probe::new(), configuration::kubelet_health(link));
        part.ready(|| async { probe.ok(&url).await }).await?;
        *kubelet = Some(part);
        Ok(())
    }

    /// Kills the kubelet as if it had crashed. Containers go on.
    pub async fn kill_kubelet(&self) {
        *self.kubelet.lock().await = None;
    }

    /// Makes a `docker save` archive known to the node; a pod that uses it needs `imagePullPolicy: Never` or
    /// `IfNotPresent`.
    ///
    /// # Errors
    /// When it is not there or no such archive.
    pub fn import(&self, archive: &Path) -> Result<(), Error> {
        let mut command = ctr(&self.programs, &self.machine, &self.group);
        command.args(["--namespace", "k8s.io", "images", "import"]).arg(archive);
        run(&format!("importing {}", archive.display()), command).map(drop)
    }

    /// This machine's address on the link: where a pod reaches what a test listens on.
    #[must_use]
    pub fn host_address(&self) -> Ipv4Addr {
        self.machine.link().host()
    }

    /// The node's address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.machine.link().node()
    }

    /// The folder of a volume of the kinds that are folders, such as `emptyDir` on disk: what is written there, the
    /// containers of the pod see.
    #[must_use]
    pub fn volume(&self, pod_uid: &str, kind: &str, name: &str) -> PathBuf {
        let pod = self.group.folder().join("kubelet/pods").join(pod_uid);
        pod.join("volumes").join(format!("kubernetes.io~{kind}")).join(name)
    }

    /// A folder of this machine that the node sees too, for `hostPath` volumes. It goes with the cluster.
    #[must_use]
    pub fn shared_folder(&self) -> PathBuf {
        self.group.folder().join(SHARED)
    }

    /// The anonymous memory (RSS) of all of a pod's containers, in bytes, by the pod's control group.
    ///
    /// # Errors
    /// When the pod has none: it does not run here.
    pub fn memory_of(&self, pod_uid: &str) -> Result<u64, Error> {
        cgroups::memory_of(&self.group, pod_uid)
    }

    /// Kills the process of a container with SIGKILL, as the kernel's out-of-memory killer does.
    ///
    /// # Errors
    /// When no such container runs.
    pub fn kill_container(&self, container_id: &str) -> Result<(), Error> {
        let id = container_id.rsplit('/').next().unwrap_or(container_id);
        let mut command = ctr(&self.programs, &self.machine, &self.group);
        command.args(["--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id]);
        run(&format!("killing container {id}"), command).map(drop)
    }

    /// Succeeds while every part runs that should.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.containerd.lock().await.check()?;
        for part in [&self.proxy, &self.kubelet] {
            if let Some(part) = part.lock().await.as_mut() {
                part.check()?;
            }
        }
        Ok(())
    }
}

fn ctr(programs: &Programs, machine: &Machine, group: &Group) -> Command {
    let mut command = machine.command(&programs.ctr, group);
    command.arg("--address").arg(configuration::containerd_socket(group));
    command
}

/// A command on this machine, in the group's folder.
fn here(name: &str, group: &Group) -> Command {
    program(Path::new(name), group)
}
