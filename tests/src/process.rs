//! Child processes of a test: logged to a file, gone when the test is.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context, Result, anyhow};

/// What to start.
pub struct Spawn {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// Environment added to ours.
    pub env: Vec<(String, OsString)>,
    /// Where its output goes.
    pub log: PathBuf,
}

impl Spawn {
    /// A program with arguments.
    pub fn new<I, S>(program: &Path, arguments: I, log: PathBuf) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        let mut argv: Vec<OsString> = vec![program.into()];
        argv.extend(arguments.into_iter().map(Into::into));
        Self {
            argv,
            env: Vec::new(),
            log,
        }
    }

    /// Adds to the environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Process> {
        let log = self.log.clone();
        let (reply, answer) = channel();
        spawner()
            .send((self, reply))
            .map_err(|_| anyhow!("the spawner has gone"))?;
        let child = answer.recv().context("the spawner has gone")??;
        Ok(Process { child, log })
    }
}

/// A running child; killed when dropped.
pub struct Process {
    child: Child,
    /// Where its output goes.
    pub log: PathBuf,
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Any signal, without waiting.
    pub fn signal(&self, name: &str) -> Result<()> {
        let done = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()?;
        done.success()
            .then_some(())
            .ok_or_else(|| anyhow!("process {} cannot be signalled", self.pid()))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Resident memory in kilobytes.
    pub fn resident_kb(&self) -> Result<u64> {
        self.memory_kb("VmRSS:")
    }

    /// The most that was ever resident, in kilobytes.
    pub fn peak_kb(&self) -> Result<u64> {
        self.memory_kb("VmHWM:")
    }

    fn memory_kb(&self, which: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status
            .lines()
            .find(|l| l.starts_with(which))
            .context("no such figure")?;
        Ok(line
            .split_whitespace()
            .nth(1)
            .context("no figure")?
            .parse()?)
    }

    /// The last lines of its output, for a failure's message.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// SIGKILLs the one program on this machine for which `is` holds, given its directory below `/proc`.
pub fn kill_program(what: &str, is: impl Fn(&Path) -> bool) -> Result<()> {
    signal_program(what, "KILL", is)
}

/// Sends a signal to the first program whose `/proc` directory `is` recognizes.
pub fn signal_program(what: &str, signal: &str, is: impl Fn(&Path) -> bool) -> Result<()> {
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        if is(&path) {
            let pid = path.file_name().context("a pid")?;
            let done = Command::new("kill")
                .arg(format!("-{signal}"))
                .arg(pid)
                .status()?;
            return done
                .success()
                .then_some(())
                .ok_or_else(|| anyhow!("{what} cannot be sent {signal}"));
        }
    }
    Err(anyhow!("{what} does not run on this machine"))
}

type Request = (Spawn, Sender<Result<Child>>);

/// Children are started by a thread that lives as long as the process: the kernel's parent-death
/// signal, which ends them if the test run itself is killed, follows the starting *thread*.
fn spawner() -> &'static Sender<Request> {
    static SPAWNER: OnceLock<Sender<Request>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, receiver) = channel::<Request>();
        std::thread::spawn(move || {
            for (spawn, reply) in receiver {
                let _ = reply.send(start(&spawn));
            }
        });
        sender
    })
}

fn start(spawn: &Spawn) -> Result<Child> {
    if let Some(dir) = spawn.log.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let log = File::options().create(true).append(true).open(&spawn.log)?;
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(&spawn.argv)
        .envs(spawn.env.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {:?}", spawn.argv.first()))
}
