//! A copy of this machine to install in: its files below, a layer in memory above them that takes every change, in a mount namespace of
//! its own. What is done there happens with Debian's own tools and leaves nothing here.

use crate::harness::Harness;
use crate::running::{Running, eventually};
use crate::server::PATIENCE;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// With the folder that it is mounted in; holds it until it is killed.
const HOLD: &str = r#"
for program in apt-get dpkg-deb adduser setpriv systemctl systemd-analyze; do
    command -v $program >/dev/null || { echo "there is no $program"; exit 1; }
done
mount -t tmpfs -o mode=755 genims-package "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
[ -e "$1/root/var/lib/dpkg/status" ] || { echo "/var is on another disk"; exit 1; }
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
exec chroot "$1/root" sh -c 'echo ready; exec sleep infinity'
"#;

pub(super) struct Root {
    holder: Running,
}

impl Root {
    /// What this machine said where it does not let us.
    pub(super) fn new(harness: &Harness, folder: &Path) -> Result<Self, String> {
        let place = folder.join("machine");
        fs::create_dir(&place).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-euc", HOLD, "hold"]).arg(place);
        command.env("PATH", PATH);
        let holder = harness.keep(Running::spawn(command, folder.join("machine.log")));
        let is_ready = || holder.log_text().ends_with("ready\n");
        eventually("the copy is made or refused", PATIENCE, || is_ready() || holder.wait(Duration::ZERO).is_some());
        if is_ready() { Ok(Self { holder }) } else { Err(holder.log_text()) }
    }

    /// A file of the copy, seen from here.
    pub(super) fn path(&self, within: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{within}", self.holder.pid()))
    }

    pub(super) fn read(&self, within: &str) -> String {
        let path = self.path(within);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A line of shell there, by root, in the folder where downloads are; the process itself, with none between.
    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.holder.pid().to_string());
        command.args(["--mount", "--root", "--wd", "sh", "-euc", &format!("cd /srv; {line}")]);
        command.env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null());
        command
    }

    /// To its end, which is a good one; all that it said.
    #[track_caller]
    pub(super) fn run(&self, line: &str) -> String {
        succeeds(&mut self.command(line))
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[track_caller]
pub(super) fn succeeds(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}
