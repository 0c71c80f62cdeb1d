use crate::buffers::{mirror, size_of};
use crate::cache::CacheOptions;
use crate::context::ContextOptions;
use crate::engine::EngineOptions;
use crate::error::{check_why, report, Result};
use crate::model::{ModelOptions, RawModelOptions};
use crate::runtime::Runtime;
use crate::source::{Source, Sources};
use skald_sys as sys;

mirror! {
    /// Bytes that the allocator will be asked for. Exact: the allocator's peak equals `peak_bytes`.
    MemoryPlan = skald_memory_plan {
        /// Handle, vocabulary, tables.
        model_bytes: u64,
        /// Packed weights in host memory.
        weights_bytes: u64,
        /// Scratch while loading, given back.
        load_bytes: u64,
        /// Handle and pages in host memory.
        cache_bytes: u64,
        /// Handle and activations in host memory.
        context_bytes: u64,
        /// The most at any one time.
        peak_bytes: u64,
        /// Of the file, where it is mapped or used in place.
        mapped_bytes: u64,
        /// Of the runtime's worker threads, all together.
        stack_bytes: u64,
        /// On the device, where that is not host memory; a pass may take scratch on top.
        device_bytes: u64,
        /// Of cache_bytes.
        cache_bytes_per_token: u64,
        /// Of an engine besides its cache and its context.
        engine_bytes: u64,
    }
}

/// What the rest of a plan is about.
type Ask<'a> = &'a dyn Fn(
    &mut sys::skald_memory_plan,
    *const sys::skald_model_options,
    &mut sys::skald_report,
    &Sources<'_>,
) -> i32;

/// Plans, from the header of a file alone.
impl Runtime {
    /// What opening, a cache and a context together will ask for. Fails as [`Model::open_with`](crate::Model::open_with).
    pub fn plan(
        &self,
        parts: Vec<Source<'_>>,
        model: ModelOptions<'_>,
        cache: &CacheOptions,
        context: &ContextOptions,
    ) -> Result<MemoryPlan> {
        let (cache, context) = (cache.raw(), context.raw());
        planned(parts, model, &|plan, model, why, s| {
            // SAFETY: everything lives to the end of the call.
            unsafe {
                sys::skald_memory_get_plan(plan, self.as_ptr(), model, &cache, &context, why, s.as_ptr(), s.len())
            }
        })
    }

    /// What opening and an engine together will ask for.
    pub fn engine_plan(
        &self,
        parts: Vec<Source<'_>>,
        model: ModelOptions<'_>,
        engine: &EngineOptions<'_>,
    ) -> Result<MemoryPlan> {
        let engine = engine.raw();
        planned(parts, model, &|plan, model, why, s| {
            // SAFETY: everything lives to the end of the call.
            unsafe { sys::skald_engine_get_plan(plan, self.as_ptr(), model, &engine, why, s.as_ptr(), s.len()) }
        })
    }
}

fn planned(parts: Vec<Source<'_>>, model: ModelOptions<'_>, ask: Ask<'_>) -> Result<MemoryPlan> {
    let mut sources = Sources::new(parts, model.in_place)?;
    let mut model = RawModelOptions::new(model)?;
    let (mut plan, mut why) = (sys::skald_memory_plan::zeroed(), report());
    plan.size = size_of::<sys::skald_memory_plan>();
    let status = ask(&mut plan, model.as_ptr(), &mut why, &sources);
    sources.finish();
    model.finish();
    check_why(status, &why)?;
    Ok(MemoryPlan::told(&plan))
}
