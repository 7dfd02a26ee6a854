//! The machine that the node runs on: namespaces for processes, mounts and the network, and a link to this one.

use std::{fs, net::Ipv4Addr, path::Path, process::Command, sync::Arc};

use super::here;
use crate::{
    Error,
    keeper::Group,
    part::{Part, run},
};

/// What the first process does. `/run` and `/var/log` are its own, because containerd, its shims and kubelet leave
/// sockets, network namespaces and links there whatever their configuration says. The sleep is awaited in the shell, which
/// collects every process whose parent has gone.
const FIRST_PROCESS: &str = r#"
set -e
mount --make-rshared /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
touch machine-ready
sleep infinity &
wait
"#;
const READY: &str = "machine-ready";

/// Links that this machine's other clusters may have: each is a number in the addresses.
const LINKS: u8 = 255;

/// The addresses of a node: `10.200.N.1` is this machine's, `10.200.N.2` the node's; pods and Services have networks of
/// their own, which this machine reaches through the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u8);

impl Link {
    pub(crate) fn host(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 200, self.0, 1)
    }

    pub(crate) fn node(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 200, self.0, 2)
    }

    pub(crate) fn pods(self) -> String {
        format!("10.201.{}.0/24", self.0)
    }

    pub(crate) fn services(self) -> String {
        format!("10.202.{}.0/24", self.0)
    }

    /// The interface on this machine, whose name keeps two clusters from taking the same number.
    fn interface(self) -> String {
        format!("selfhealer{}", self.0)
    }
}

/// The running machine. It ends with its group.
#[derive(Debug)]
pub(super) struct Machine {
    /// The first process, as this machine numbers it.
    first: String,
    link: Link,
    _unshare: Part,
}

impl Machine {
    pub(super) async fn start(group: &Arc<Group>) -> Result<Self, Error> {
        let mut command = here("unshare", group);
        command
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", FIRST_PROCESS]);
        let mut unshare = Part::start(group, "machine", command)?;
        let ready = group.folder().join(READY);
        unshare
            .ready(|| async {
                ready
                    .exists()
                    .then_some(())
                    .ok_or_else(|| "its network is not up".to_owned())
            })
            .await?;
        let parent = unshare.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let first = fs::read_to_string(&children).map_err(Error::io(format!("reading {children}")))?;
        let first = first.trim().to_owned();
        let link = connect(group, &first)?;
        Ok(Self {
            first,
            link,
            _unshare: unshare,
        })
    }

    pub(super) fn link(&self) -> Link {
        self.link
    }

    /// A command for a program on this machine's other half. It dies with the `nsenter` that stands for it here.
    pub(super) fn command(&self, path: &Path, group: &Group) -> Command {
        let mut command = here("nsenter", group);
        command
            .args(["--target", &self.first, "--mount", "--net", "--pid"])
            .arg(format!("--wdns={}", group.folder().display()))
            .args(["setpriv", "--pdeathsig", "KILL"])
            .arg(path);
        let folders = path.parent().map(Path::to_owned).into_iter();
        let usual = std::env::var_os("PATH").unwrap_or_default();
        let folders = folders.chain(std::env::split_paths(&usual));
        let sbin = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
        if let Ok(path) = std::env::join_paths(folders.chain(sbin)) {
            command.env("PATH", path);
        }
        command
    }
}

/// Connects the network of that process with ours, by the first number that is free.
fn connect(group: &Group, first: &str) -> Result<Link, Error> {
    for number in 0..=LINKS {
        let link = Link(number);
        let mut command = here("ip", group);
        command
            .args(["link", "add", &link.interface(), "type", "veth"])
            .args(["peer", "name", "eth0", "netns", first]);
        match run("ip link add", command) {
            Ok(_) => {}
            Err(error) if error.to_string().contains("File exists") => continue,
            Err(error) => return Err(error),
        }
        let (interface, host, node) = (link.interface(), link.host(), link.node());
        let script = format!(
            "set -e
             ip address add {host}/24 dev {interface}
             ip link set {interface} up
             nsenter --target {first} --net ip address add {node}/24 dev eth0
             nsenter --target {first} --net ip link set eth0 up
             ip route add {pods} via {node}
             ip route add {services} via {node}",
            pods = link.pods(),
            services = link.services(),
        );
        let mut command = here("sh", group);
        command.args(["-c", &script]);
        run("connecting the real node", command)?;
        return Ok(link);
    }
    Err(Error::io("connecting the real node")(std::io::Error::other(
        "this machine has 256 of them already",
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_a_link_are_its_own() {
        assert_eq!(Link(7).host().to_string(), "10.200.7.1");
        assert_eq!(Link(7).node().to_string(), "10.200.7.2");
        assert_eq!(Link(7).pods(), "10.201.7.0/24");
        assert_eq!(Link(7).services(), "10.202.7.0/24");
        // The kernel takes 15 bytes.
        assert!(Link(LINKS).interface().len() <= 15);
    }
}
