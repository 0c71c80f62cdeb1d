//! skald in Rust: language models inside your own process.
//!
//! ```no_run
//! # fn main() -> skald::Result<()> {
//! let runtime = skald::Runtime::new(0, None)?;
//! let model = skald::Model::open(&runtime, "model.gguf")?;
//! model.generate("The sea is", 64, &skald::Sampling::default(), |text| {
//!     print!("{text}");
//!     true
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! Names and rules are those of skald.h. A [`Model`] and a [`Template`] are `Send` and `Sync`; a [`Cache`], a [`Context`], a
//! [`Sampler`] are `Send` only, for they belong to one thread at a time; an [`Engine`] is stepped by its owner, and its
//! [`Inbox`] submits from any thread. What the borrow checker cannot see (two sequences' pages, time) comes as an [`Error`].

mod cache;
mod chat;
mod context;
mod engine;
mod error;
mod model;
mod sampler;
mod stream;

pub use cache::{Cache, CacheOptions, Sequence};
pub use chat::{Message, Template};
pub use context::{Context, Logits, Paused, Span};
pub use engine::{Engine, EngineOptions, Event, Events, Happened, Inbox, Progress, Request};
pub use error::{status_text, Error, Result, Why};
pub use model::{Decoder, Encode, Info, Model, Runtime};
pub use sampler::{Sampler, Sampling};
pub use skald_sys as sys;
pub use stream::{stream, Stream};
