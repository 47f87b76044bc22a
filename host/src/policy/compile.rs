//! From the path of a module to compiled code, within bounds of size and time.
//!
//! How long a module takes to compile is its author's choice as much as its size is: a few hundred KiB
//! can be made to take minutes. Nobody can end a compiler that runs, so it runs on a thread that
//! nothing waits for once its time is up, and of such threads there are few.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::{Instant, timeout_at};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::config::Config;
use super::load_error::LoadProblem;

/// What names a module that comes with the program.
pub(super) const BUILTIN: &str = "builtin:";
/// The modules that come with the program.
const BUILTINS: [(&str, &[u8]); 4] = [
    (
        "sender-rules",
        include_bytes!("../../../policies/built/sender-rules.wasm"),
    ),
    (
        "working-hours",
        include_bytes!("../../../policies/built/working-hours.wasm"),
    ),
    (
        "rate-guard",
        include_bytes!("../../../policies/built/rate-guard.wasm"),
    ),
    (
        "rewrite-from",
        include_bytes!("../../../policies/built/rewrite-from.wasm"),
    ),
];
/// Modules that are compiled at the same time in this process, those that were given up included. 4:
/// one for each of a few processors; a compiler at work takes some hundred MiB.
const MAX_COMPILERS: usize = 4;

static COMPILERS: Semaphore = Semaphore::const_new(MAX_COMPILERS);

/// The names of the modules that come with the program.
pub(super) fn builtins() -> impl Iterator<Item = &'static str> {
    BUILTINS.iter().map(|(name, _)| *name)
}

/// How much of a module is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    max_module_octets: u64,
    timeout: Duration,
}

impl Bounds {
    /// As the configuration says; which key is out of range, when one is.
    pub fn of(config: &Config) -> Result<Self, &'static str> {
        if !(1..=1024).contains(&config.max_module_mib) {
            return Err("policy.max-module-mib must be from 1 to 1024");
        }
        if !(1..=3600).contains(&config.compile_timeout_s) {
            return Err("policy.compile-timeout-s must be from 1 to 3600");
        }
        Ok(Self {
            max_module_octets: u64::from(config.max_module_mib) << 20,
            timeout: Duration::from_secs(u64::from(config.compile_timeout_s)),
        })
    }

    /// The octets of a module; relative paths start at `base_dir`.
    pub async fn read(
        self,
        module: &str,
        base_dir: &Path,
    ) -> Result<Cow<'static, [u8]>, LoadProblem> {
        if let Some(name) = module.strip_prefix(BUILTIN) {
            let builtin = BUILTINS.iter().find(|(known, _)| *known == name);
            return match builtin {
                Some((_, bytes)) => Ok(Cow::Borrowed(bytes)),
                None => Err(LoadProblem::UnknownBuiltin(name.to_owned())),
            };
        }
        let path = base_dir.join(module);
        let reading = path.clone();
        tokio::task::spawn_blocking(move || read_file(&reading, self.max_module_octets))
            .await
            .expect("reading a file does not panic")
            .map_err(|source| LoadProblem::Read { path, source })?
            .map(Cow::Owned)
            .ok_or(LoadProblem::TooLarge(self.max_module_octets))
    }

    /// Compiles a component, or gives up.
    pub async fn compile(
        self,
        engine: &Engine,
        bytes: Cow<'static, [u8]>,
    ) -> Result<Component, LoadProblem> {
        let too_long = |_| LoadProblem::CompileTime(self.timeout);
        let deadline = Instant::now() + self.timeout;
        let turn = timeout_at(deadline, COMPILERS.acquire()).await;
        let turn = turn
            .map_err(too_long)?
            .expect("the semaphore is never closed");
        let compiled = start(engine.clone(), bytes, turn)?;
        let compiled = timeout_at(deadline, compiled).await.map_err(too_long)?;
        // A compiler that panics sends nothing.
        compiled
            .map_err(|_| LoadProblem::Compile("the compiler failed".to_owned()))?
            .map_err(|error| LoadProblem::Compile(format!("{error:#}")))
    }
}

/// None when the file is too large. Reads no more than the limit, whatever the path names.
fn read_file(path: &Path, max_octets: u64) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(max_octets.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max_octets).then_some(bytes))
}

type Compiled = wasmtime::Result<Component>;

/// Compiles on a thread of its own, which holds its turn to its end.
fn start(
    engine: Engine,
    bytes: Cow<'static, [u8]>,
    turn: SemaphorePermit<'static>,
) -> Result<oneshot::Receiver<Compiled>, LoadProblem> {
    let (done, compiled) = oneshot::channel();
    let compile = move || {
        let component = Component::from_binary(&engine, &bytes);
        drop(turn);
        // Nobody waits for what took too long.
        let _ = done.send(component);
    };
    thread::Builder::new()
        .name("policy-compile".to_owned())
        .spawn(compile)
        .map_err(|error| LoadProblem::Compile(format!("no thread to compile on: {error}")))?;
    Ok(compiled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(timeout: Duration) -> Bounds {
        Bounds {
            timeout,
            ..Bounds::of(&Config::default()).expect("in range")
        }
    }

    async fn rules() -> Cow<'static, [u8]> {
        let bounds = bounds(Duration::ZERO);
        let read = bounds.read("builtin:sender-rules", Path::new(".")).await;
        read.expect("it is built in")
    }

    #[tokio::test]
    async fn what_takes_too_long_to_compile_is_given_up() {
        let engine = Engine::default();
        let given_up = bounds(Duration::ZERO).compile(&engine, rules().await).await;
        let Err(LoadProblem::CompileTime(timeout)) = given_up else {
            panic!("{:?}", given_up.map(drop));
        };
        assert_eq!(timeout, Duration::ZERO);
        // Its thread gives its turn back, and the engine is as good as before.
        for _ in 0..=MAX_COMPILERS {
            let compiled = bounds(Duration::from_secs(60)).compile(&engine, rules().await);
            compiled.await.expect("it is a component");
        }
    }

    #[test]
    fn both_bounds_have_a_range() {
        for (max_module_mib, compile_timeout_s, key) in [
            (0, 1, "max-module-mib"),
            (1025, 1, "max-module-mib"),
            (1, 0, "compile-timeout-s"),
            (1, 3601, "compile-timeout-s"),
        ] {
            let config = Config {
                max_module_mib,
                compile_timeout_s,
                ..Config::default()
            };
            let problem = Bounds::of(&config).expect_err("out of range");
            assert!(problem.contains(key), "{problem}");
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_a_module_may_have() {
        let bounds = Bounds {
            max_module_octets: 1 << 10,
            ..bounds(Duration::ZERO)
        };
        for endless in ["/dev/zero", "src/policy/compile.rs"] {
            let base_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
            let read = bounds.read(endless, base_dir).await;
            assert!(matches!(read, Err(LoadProblem::TooLarge(1024))), "{read:?}");
        }
    }
}
