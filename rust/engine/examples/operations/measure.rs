//! Measure: the one function that counts, and what this process used.

use std::fs;
use std::time::Instant;

/// What an operation used.
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Of this thread; none where the kernel does not tell.
    pub(crate) cpu_seconds: Option<f64>,
}

/// Runs an operation. Its name is what callgrind switches its count on for, so it is never inlined and does nothing
/// else.
#[inline(never)]
pub(crate) fn counted<T>(operation: impl FnOnce() -> T) -> T {
    operation()
}

/// Runs an operation between two looks at the clocks.
pub(crate) fn measure<T>(operation: impl FnOnce() -> T) -> (T, Measured) {
    let cpu_before = cpu_seconds();
    let before = Instant::now();
    let result = counted(operation);
    let seconds = before.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    (result, Measured { seconds, cpu_seconds })
}

fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns / 1e9)
}

/// Peak memory of this process in KiB.
pub(crate) fn rss_kib_peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Extensions of the instruction set that libraries choose their code by. Under valgrind there are fewer.
pub(crate) fn cpu_features() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! note {
            ($($name:tt)*) => { $(if std::is_x86_feature_detected!($name) { found.push($name); })* };
        }
        note!("sse4.2" "avx2" "bmi2" "avx512f" "avx512bw" "avx512vl");
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        found.push("neon");
    }
    found
}
