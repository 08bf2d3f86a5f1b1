//! What every test gets: the shared servers, databases of its own, folders of its own, the real binary.
//!
//! Tests that stop, kill or pause servers take a stack of their own ([`Harness::private_stack`]), so that the tests beside
//! them never notice.

use crate::leftovers;
use crate::running::Running;
use genims_dev::{ProcessId, Server, Stack, StackOptions};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a run that was interrupted, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;
/// So many bytes stay free: for the servers, and for what stacks grow by.
const MEMORY_LEFT: u64 = 10 << 30;
const SLOWEST_SHOWN: usize = 30;
const WORTH_TELLING: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Harness {
    /// Everything of this run is below it: `<pid>-<start ticks>`.
    base: PathBuf,
    shared: OnceLock<Result<Stack, String>>,
    runtime: Runtime,
    names: AtomicU64,
    /// Servers under test; ended when the run is interrupted.
    children: Mutex<Vec<Weak<Mutex<Child>>>>,
    /// The run was told to end: no more servers are started.
    interrupted: AtomicBool,
    durations: Mutex<Vec<(Duration, String)>>,
    /// Stopped stacks by name.
    templates: Mutex<BTreeMap<String, Arc<OnceLock<PrivateStack>>>>,
}

impl Harness {
    /// Lives as long as the program.
    pub(crate) fn new() -> &'static Self {
        let own = ProcessId::of(std::process::id()).unwrap();
        let base = leftovers::root().join(format!("{}-{}", own.pid, own.start_ticks));
        Box::leak(Box::new(Self {
            base,
            shared: OnceLock::new(),
            runtime: Runtime::new().unwrap(),
            names: AtomicU64::new(1),
            children: Mutex::default(),
            interrupted: AtomicBool::new(false),
            durations: Mutex::default(),
            templates: Mutex::default(),
        }))
    }

    /// A test that is an ordinary function.
    pub(crate) fn trial(&'static self, name: &str, test: fn(&'static Self)) -> Trial {
        self.trial_of(name.to_owned(), move || test(self))
    }

    /// A test whose duration is remembered, whatever its end.
    pub(crate) fn trial_of(&'static self, name: String, test: impl FnOnce() + Send + 'static) -> Trial {
        Trial::test(name.clone(), move || {
            let _stopwatch = Stopwatch { harness: self, name, start: Instant::now() };
            test();
            Ok(())
        })
    }

    /// The servers that all tests share; the first call starts them.
    pub(crate) fn stack(&'static self) -> &'static Stack {
        let started = self.shared.get_or_init(|| {
            self.begin();
            self.start_stack("shared", &Server::ALL).map_err(|error| error.to_string())
        });
        started.as_ref().unwrap_or_else(|error| panic!("the shared servers did not start: {error}"))
    }

    /// Servers for one test alone; stopped and deleted when it ends, also when it fails.
    pub(crate) fn private_stack(&'static self, servers: &[Server]) -> PrivateStack {
        self.begin();
        let empty = || PrivateStack(Some(self.start_stack("empty", &Server::ALL).unwrap()));
        self.copy_of("empty", servers, empty)
    }

    /// Servers for one test alone that begin in a state which many tests want: copies of those that `make` returned when
    /// the first test asked for this name.
    pub(crate) fn copy_of(
        &'static self,
        name: &str,
        servers: &[Server],
        make: impl FnOnce() -> PrivateStack,
    ) -> PrivateStack {
        let template = self.templates.lock().unwrap().entry(name.to_owned()).or_default().clone();
        let template = template.get_or_init(|| {
            let made = make();
            made.stop().unwrap();
            made
        });
        let name = self.unique(name);
        template.copy_to(&self.base.join(&name), servers, has_room_in_memory()).unwrap();
        let stack = self.start_stack(&name, servers);
        PrivateStack(Some(stack.unwrap_or_else(|error| panic!("{error}"))))
    }

    /// A new name, fit for a database, a topic, a client id or a folder.
    pub(crate) fn unique(&self, purpose: &str) -> String {
        format!("{purpose}_{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A new, empty folder; deleted with the run, kept when a test failed.
    pub(crate) fn folder(&self, purpose: &str) -> PathBuf {
        let path = self.base.join(self.unique(purpose));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// A new, empty database on a PostgreSQL server: its URL.
    pub(crate) fn postgres_database(&self, stack: &Stack) -> String {
        let name = self.unique("genims_test");
        self.block_on(async {
            let client = connect_postgres(&stack.postgres_url("postgres")).await;
            client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        });
        stack.postgres_url(&name)
    }

    /// A client of mongod, and the name of a database that no other test uses.
    pub(crate) fn mongodb_database(&self, stack: &Stack) -> mongodb::Database {
        self.block_on(async {
            let client = mongodb::Client::with_uri_str(stack.mongodb_url()).await.unwrap();
            client.database(&self.unique("genims_test"))
        })
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The program of the private servers, run to its end in a folder of its own.
    pub(crate) fn run_dev(&self, arguments: &[&str]) -> Output {
        command(genims_dev(), arguments, &self.folder("run")).stdin(Stdio::null()).output().unwrap()
    }

    /// The real binary in a folder of its own, for a test that runs it itself.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(env!("CARGO_BIN_EXE_genims"), arguments, &self.folder("run"))
    }

    /// Another program of ours in a folder of its own, for a test that runs it itself.
    pub(crate) fn other(&self, program: &str, arguments: &[&str]) -> Command {
        command(beside_genims(program), arguments, &self.folder("run"))
    }

    /// The real binary, left running: what it prints goes to a file in `folder`, dropping the handle kills it.
    pub(crate) fn spawn(&self, arguments: &[&str], folder: &Path) -> Running {
        self.keep(Running::spawn(command(env!("CARGO_BIN_EXE_genims"), arguments, folder), folder.join("genims.log")))
    }

    pub(crate) fn spawn_dev(&self, arguments: &[&str], folder: &Path) -> Running {
        self.keep(Running::spawn(command(genims_dev(), arguments, folder), folder.join("genims-dev.log")))
    }

    /// Ended when the run is interrupted.
    pub(crate) fn keep(&self, running: Running) -> Running {
        let mut children = self.children.lock().unwrap();
        children.retain(|child| child.strong_count() > 0);
        children.push(Arc::downgrade(running.child()));
        running
    }

    /// Where the time of a long run went: `make test` has a limit.
    pub(crate) fn print_slowest(&self) {
        let mut durations = self.durations.lock().unwrap();
        durations.sort_unstable_by(|one, other| other.cmp(one));
        for (duration, name) in durations.iter().take(SLOWEST_SHOWN).filter(|(duration, _)| *duration >= WORTH_TELLING)
        {
            eprintln!("{:>6.1} s  {name}", duration.as_secs_f64());
        }
    }

    /// Stops the shared servers; `failed` keeps their data.
    pub(crate) fn end(&'static self, failed: bool) {
        while self.interrupted.load(Ordering::Acquire) {
            // The thread that was told to end deletes everything and ends the program.
            std::thread::park();
        }
        if !self.base.exists() {
            return;
        }
        // Those that tests share live in statics, which are never dropped.
        self.kill_children();
        if failed {
            leftovers::stop_stacks(&self.base);
            leftovers::keep(&self.base);
            eprintln!("stopped the servers; their data and logs are kept in {}", self.base.display());
        } else {
            leftovers::delete(&self.base);
        }
    }

    /// Before the first server: clears away what dead runs left, and makes sure that this one leaves nothing.
    fn begin(&'static self) {
        static ONCE: OnceLock<()> = OnceLock::new();
        ONCE.get_or_init(|| {
            leftovers::clear();
            std::fs::create_dir_all(&self.base).unwrap();
            let (mut interrupt, mut terminate) = {
                let _inside = self.runtime.enter();
                (signal(SignalKind::interrupt()).unwrap(), signal(SignalKind::terminate()).unwrap())
            };
            self.runtime.spawn(async move {
                tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
                tokio::task::spawn_blocking(|| self.interrupted()).await.unwrap();
            });
        });
    }

    fn interrupted(&'static self) {
        self.interrupted.store(true, Ordering::Release);
        self.kill_children();
        leftovers::delete(&self.base);
        std::process::exit(EXIT_INTERRUPTED);
    }

    fn kill_children(&self) {
        for child in self.children.lock().unwrap().iter().filter_map(Weak::upgrade) {
            // Already gone is as good.
            let _ = child.lock().unwrap().kill();
        }
    }

    fn start_stack(&self, name: &str, servers: &[Server]) -> genims_dev::Result<Stack> {
        assert!(!self.interrupted.load(Ordering::Acquire), "the run was interrupted");
        let (dir, servers) = (self.base.join(name), servers.to_vec());
        Stack::start(&StackOptions { dir, servers, small: true, in_memory: has_room_in_memory() })
    }
}

/// Whether another stack may have its data in memory: making, copying and deleting tens of thousands of files on a disk
/// took a sixth of the whole run. What a test says of a disk is about the server's own data folder, which is never there.
fn has_room_in_memory() -> bool {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse().ok());
    let shm = rustix::fs::statvfs(leftovers::MEMORY).map_or(0, |found| found.f_bavail * found.f_frsize);
    let cgroup = |name: &str| std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).unwrap_or_default();
    let own = left_in_cgroup(&cgroup("memory.max"), &cgroup("memory.current"), &cgroup("memory.stat"));
    shm.min(kib.unwrap_or(0_u64) * 1024).min(own.unwrap_or(u64::MAX)) > MEMORY_LEFT
}

/// What is in memory counts against a container's limit, whatever its machine has; none without a limit. What was read from files and
/// not looked at for long gives way.
fn left_in_cgroup(max: &str, current: &str, stat: &str) -> Option<u64> {
    let max: u64 = max.trim().parse().ok()?;
    let current: u64 = current.trim().parse().ok()?;
    let gives_way = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok());
    Some(max.saturating_sub(current.saturating_sub(gives_way.unwrap_or(0))))
}

pub(crate) fn a_container_has_less_memory_than_its_machine() {
    assert_eq!(left_in_cgroup("max\n", "5\n", ""), None);
    assert_eq!(left_in_cgroup("", "", ""), None);
    assert_eq!(left_in_cgroup("100\n", "70\n", "anon 50\ninactive_file 20\n"), Some(50));
    assert_eq!(left_in_cgroup("100\n", "170\n", ""), Some(0));
}

struct Stopwatch {
    harness: &'static Harness,
    name: String,
    start: Instant,
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        self.harness.durations.lock().unwrap().push((self.start.elapsed(), std::mem::take(&mut self.name)));
    }
}

/// A stack that ends with its test.
#[derive(Debug)]
pub(crate) struct PrivateStack(Option<Stack>);

impl std::ops::Deref for PrivateStack {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        self.0.as_ref().expect("only drop takes it")
    }
}

impl Drop for PrivateStack {
    fn drop(&mut self) {
        let Some(stack) = self.0.take() else { return };
        // A failed test keeps its data; its servers are stopped all the same.
        let ended = if std::thread::panicking() { stack.stop() } else { stack.delete(None) };
        if let Err(error) = ended {
            eprintln!("cannot end a test's servers: {error}");
        }
    }
}

pub(crate) async fn connect_postgres(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    // Ends with the client, or with the server that a test kills.
    tokio::spawn(connection);
    client
}

fn genims_dev() -> PathBuf {
    beside_genims("genims-dev")
}

/// Writes an environment file as people should: it holds passwords, so it is its owner's alone.
pub(crate) fn write_env(path: &Path, text: impl AsRef<[u8]>) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// `make test` builds it: it belongs to another package, so Cargo tells no path.
pub(crate) fn beside_genims(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_genims")).with_file_name(name);
    assert!(program.exists(), "{} is missing: cargo build --workspace --bins", program.display());
    program
}

fn command(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    // What the developer's shell points at is not for tests; `.env` in `folder` is.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("GENIMS_") || text.starts_with("PG") || text == "MYSQL_PWD" {
            command.env_remove(&name);
        }
    }
    command
}
