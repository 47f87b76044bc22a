//! What the process itself costs, as the system tells it.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Ticks of a second in `/proc/self/stat`: 100 on every Linux.
const TICKS: f64 = 100.0;

pub(super) struct Process {
    cpu: Gauge<f64, AtomicU64>,
    memory: Gauge,
    files: Gauge,
    threads: Gauge,
}

impl Process {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let process = Self {
            cpu: Gauge::default(),
            memory: Gauge::default(),
            files: Gauge::default(),
            threads: Gauge::default(),
        };
        registry.register_with_unit(
            "process_cpu",
            "Processor time that the process has used",
            Unit::Seconds,
            process.cpu.clone(),
        );
        registry.register_with_unit(
            "process_resident_memory",
            "Memory of the process",
            Unit::Bytes,
            process.memory.clone(),
        );
        registry.register("process_open_files", "Open files", process.files.clone());
        registry.register("process_threads", "Threads", process.threads.clone());
        let build: Family<[(&'static str, &'static str); 1], Gauge> = Family::default();
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        registry.register("build_info", "The release that runs", build);
        process
    }

    /// Looks now; what the system does not tell stays as it was.
    pub(super) fn read(&self) {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name in parentheses may hold anything.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let number = |place: usize| fields.get(place).and_then(|text| text.parse::<i64>().ok());
        if let (Some(user), Some(system)) = (number(11), number(12)) {
            self.cpu.set((user + system) as f64 / TICKS);
        }
        if let Some(threads) = number(17) {
            self.threads.set(threads);
        }
        if let Some(kib) = resident_kib() {
            self.memory.set(kib.saturating_mul(1024));
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.files
                .set(i64::try_from(files.count()).unwrap_or(i64::MAX));
        }
    }
}

fn resident_kib() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
