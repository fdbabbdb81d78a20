//! The parts of one run: each announced, timed, and listed at the end, so that
//! nothing that failed, was skipped or could not run is easy to miss.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// What has run so far.
pub(crate) struct Parts {
    started: Instant,
    parts: Vec<Part>,
}

struct Part {
    name: &'static str,
    took: Duration,
    end: End,
}

#[derive(PartialEq)]
enum End {
    Failed(String),
    Passed,
    Skipped(String),
}

impl Parts {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            parts: Vec::new(),
        }
    }

    /// Runs one part, unless a part that it needs did not pass: that counts as
    /// a failure too.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        needs: &[&str],
        part: impl FnOnce() -> Result<()>,
    ) {
        let lacking = needs.iter().find(|need| !self.passed(need));
        let started = Instant::now();
        let end = match lacking {
            Some(need) => End::Failed(format!("not run: needs `{need}`")),
            None => {
                eprintln!("\n==> {name}");
                match part() {
                    Ok(()) => End::Passed,
                    Err(error) => End::Failed(format!("{error:#}")),
                }
            }
        };
        let part = Part {
            name,
            took: started.elapsed(),
            end,
        };
        if let End::Failed(why) = &part.end {
            eprintln!("FAILED: {name}: {why}");
        }
        self.parts.push(part);
    }

    /// Notes, now and in the summary, that an optional part does not run.
    pub(crate) fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        let why = why.into();
        eprintln!("\nSKIPPED: {name}: {why}");
        self.parts.push(Part {
            name,
            took: Duration::ZERO,
            end: End::Skipped(why),
        });
    }

    /// Prints the summary; an error if any part failed.
    pub(crate) fn finish(self) -> Result<()> {
        eprint!("\n{self}");
        let failed: Vec<_> = self
            .parts
            .iter()
            .filter(|part| matches!(part.end, End::Failed(_)))
            .map(|part| part.name)
            .collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }

    fn passed(&self, name: &str) -> bool {
        self.parts
            .iter()
            .any(|part| part.name == name && part.end == End::Passed)
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .parts
            .iter()
            .map(|part| part.name.len())
            .max()
            .unwrap_or(0);
        for Part { name, took, end } in &self.parts {
            let took = Seconds(*took);
            match end {
                End::Failed(why) => {
                    // A part's output is above; the table keeps one line each.
                    let first = why.lines().next().unwrap_or_default();
                    writeln!(f, "FAILED   {name:width$} {took:>9}  {first}")?;
                }
                End::Passed => writeln!(f, "passed   {name:width$} {took:>9}")?,
                End::Skipped(why) => writeln!(f, "SKIPPED: {name:width$} {:>9}  {why}", "-")?,
            }
        }
        writeln!(
            f,
            "total    {:width$} {:>9}",
            "",
            Seconds(self.started.elapsed())
        )
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.1} s", self.0.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn what_needs_a_failed_part_does_not_run_and_fails() {
        let mut parts = Parts::new();
        parts.run("wasm", &[], || Err(anyhow!("no target")));
        parts.run("ring 2", &["wasm"], || unreachable!("its need failed"));
        let summary = parts.to_string();
        assert!(summary.contains("not run: needs `wasm`"), "{summary}");
        let error = parts.finish().unwrap_err().to_string();
        assert_eq!(error, "failed: wasm, ring 2");
    }

    #[test]
    fn a_skipped_part_fails_nothing_but_stays_in_the_summary() {
        let mut parts = Parts::new();
        parts.run("format", &[], || Ok(()));
        parts.skip("spin", "$SPIN is not set");
        assert!(parts.to_string().contains("SKIPPED: spin"));
        parts.finish().unwrap();
    }
}
