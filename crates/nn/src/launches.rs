//! What graphics processors are asked to do, kernel by kernel: their time on small models is that of the
//! launches, whose number can be told without such a processor at hand.

/// Watches until it is dropped.
#[must_use = "nothing is watched once it is dropped"]
#[derive(Debug)]
pub struct Watch {
    #[cfg(feature = "cube")]
    _observation: cubecl_runtime::logging::LaunchObservation,
}

/// Tells the short name of every kernel that this process launches, on the thread that does; `None` in a
/// build without backends for graphics processors.
pub fn watch(tell: impl Fn(&str) + Send + Sync + 'static) -> Option<Watch> {
    #[cfg(feature = "cube")]
    {
        let observer = std::sync::Arc::new(Teller(tell));
        let observation = cubecl_runtime::logging::LaunchObservation::new(observer);
        Some(Watch {
            _observation: observation,
        })
    }
    #[cfg(not(feature = "cube"))]
    {
        let _ = tell;
        None
    }
}

#[cfg(feature = "cube")]
struct Teller<F>(F);

#[cfg(feature = "cube")]
impl<F: Fn(&str) + Send + Sync> cubecl_runtime::logging::LaunchObserver for Teller<F> {
    fn launched(&self, kernel: &'static str) {
        let base = kernel.split('<').next().unwrap_or(kernel);
        (self.0)(base);
    }
}
