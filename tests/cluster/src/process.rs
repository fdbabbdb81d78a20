//! One program that runs until it is told not to, and can be told often.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// How long any of the programs may take to start answering; kube-apiserver
/// takes three seconds on an idle machine.
const READY: Duration = Duration::from_secs(120);

/// How long a program may take to end once told to.
const END: Duration = Duration::from_secs(30);

/// A program, its log, and whether it runs.
pub struct Process {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

/// What a program that ended had to say.
#[derive(Debug)]
pub struct Output {
    /// Whether it ended with status 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Process {
    /// Describes a program whose log is `NAME.log` in `folder`; it does not
    /// run yet.
    pub fn new(name: &'static str, program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            name,
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            log: folder.join(format!("{name}.log")),
            child: Mutex::new(None),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Starts the program, for the first time or again; what it writes is
    /// appended to its log.
    ///
    /// # Errors
    ///
    /// When it runs already, or cannot be started.
    pub async fn start(&self) -> Result<()> {
        if self.runs().await {
            bail!("{} runs already", self.name);
        }
        let mut child = self.child.lock().await;
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let started = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        *child =
            Some(started.with_context(|| format!("{} does not start", self.program.display()))?);
        Ok(())
    }

    /// Waits until `probe` succeeds.
    ///
    /// # Errors
    ///
    /// When the program ends before that, or takes more than two minutes; the
    /// end of its log is part of the error.
    pub async fn ready(&self, probe: impl AsyncFn() -> Result<()>) -> Result<()> {
        let deadline = Instant::now() + READY;
        loop {
            let last = match probe().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if let Some(status) = self.ended().await? {
                bail!("{} ended with {status}:\n{}", self.name, self.log_end());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready in time: {last:#}\n{}",
                    self.name,
                    self.log_end()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills the program and waits for its end: what a lost node or the
    /// kernel's memory killer does.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill(&self) -> Result<()> {
        let mut child = self.take().await?;
        child
            .kill()
            .await
            .with_context(|| format!("{} cannot be killed", self.name))
    }

    /// Sends SIGTERM and waits for the program's end.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not end within 30 seconds.
    pub async fn terminate(&self) -> Result<ExitStatus> {
        self.signal("TERM").await?;
        self.wait().await
    }

    /// Waits for the program's end.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not end within 30 seconds.
    pub async fn wait(&self) -> Result<ExitStatus> {
        let mut child = self.take().await?;
        timeout(END, child.wait())
            .await
            .with_context(|| format!("{} does not end", self.name))?
            .with_context(|| format!("{} is lost", self.name))
    }

    /// Stops the program without ending it: its connections stay open and
    /// nothing answers.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn freeze(&self) -> Result<()> {
        self.signal("STOP").await
    }

    /// Lets a frozen program go on.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn thaw(&self) -> Result<()> {
        self.signal("CONT").await
    }

    /// Sends a signal by its name without `SIG`.
    ///
    /// # Errors
    ///
    /// When the program does not run.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        let child = self.child.lock().await;
        let id = child.as_ref().and_then(Child::id);
        let id = id.with_context(|| format!("{} does not run", self.name))?;
        // The standard library can only kill.
        let sent = run("sh", ["-c".to_owned(), format!("kill -{signal} {id}")], &[]).await?;
        sent.check(&format!("kill -{signal}")).map(drop)
    }

    /// Whether the program was started, and has not ended since.
    pub async fn runs(&self) -> bool {
        match self.child.lock().await.as_mut() {
            Some(child) => child.try_wait().is_ok_and(|ended| ended.is_none()),
            None => false,
        }
    }

    /// The status with which the program ended by itself, if it did.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub async fn ended(&self) -> Result<Option<ExitStatus>> {
        match self.child.lock().await.as_mut() {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    /// Everything the program wrote.
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    async fn take(&self) -> Result<Child> {
        let child = self.child.lock().await.take();
        child.with_context(|| format!("{} does not run", self.name))
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

impl Output {
    /// The standard output of a program that succeeded.
    ///
    /// # Errors
    ///
    /// What the program wrote, if it failed.
    pub fn check(self, what: &str) -> Result<String> {
        if !self.success {
            bail!("{what} failed: {}{}", self.stdout, self.stderr);
        }
        Ok(self.stdout)
    }
}

/// Runs a program to its end, which must come within two minutes.
pub(crate) async fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
    variables: &[(&str, &OsStr)],
) -> Result<Output> {
    let program = program.as_ref();
    let running = Command::new(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(READY, running)
        .await
        .with_context(|| format!("{} does not end", program.display()))?
        .with_context(|| format!("{} does not start", program.display()))?;
    Ok(Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
