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
//! Names and rules are those of skald.h. What never changes is `Send` and `Sync`: [`Runtime`], [`Model`], [`Template`],
//! [`Adapter`], [`Grammar`], [`Beams`]. What belongs to one thread at a time is `Send` only: [`Cache`], [`Context`],
//! [`Sampler`], [`Matcher`], [`Answer`], [`Stream`]. An [`Engine`] is stepped by its owner, and its [`Inbox`] submits from any
//! thread. What the borrow checker cannot see (two sequences' pages, time) comes as an [`Error`]; a call that gives one has
//! changed nothing unless it says so. What is made from something else keeps that alive: drop in any order.
//!
//! Closures that a call takes run while it runs. A panic in one ends the call and goes on in the caller, after the library has
//! returned; only those of a [`Host`](RuntimeOptions) cannot, and say what becomes of a panic.
#![warn(missing_docs, unsafe_op_in_unsafe_fn)]

mod adapter;
mod answer;
mod beams;
mod buffers;
mod cache;
mod callback;
mod chat;
mod context;
mod dtype;
mod engine;
mod error;
mod event;
mod generate;
mod grammar;
mod host;
mod info;
mod model;
mod plan;
mod request;
mod runtime;
mod sampler;
mod source;
mod span;
mod stage;
mod stream;
mod version;
mod vocabulary;

/// The programs of the README and of the tutorial are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../../../../docs/tutorial.md")]
struct Documents;

pub use adapter::{Adapter, AdapterInfo, Scaled};
pub use answer::{Answer, Piece};
pub use beams::{Beam, BeamOptions, BeamStop, Beams};
pub use cache::{Cache, CacheOptions, CacheStats, Sequence};
pub use callback::Watch;
pub use chat::{Conversation, Message, Template};
pub use context::{Context, ContextOptions, Paused};
pub use dtype::DType;
pub use engine::{Engine, EngineOptions, EngineStats, Inbox, Progress};
pub use error::{status_text, Error, Result, Why};
pub use event::{Event, Events, Happened, LogProb};
pub use generate::GenerateOptions;
pub use grammar::{Form, Grammar, GrammarOptions, Matcher};
pub use host::{Allocator, Executor, Log, LogLevel, MemoryKind};
pub use info::{Info, TensorInfo};
pub use model::{Model, ModelOptions};
pub use plan::MemoryPlan;
pub use request::Request;
pub use runtime::{Runtime, RuntimeOptions};
pub use sampler::{Sampler, Sampling};
pub use skald_sys as sys;
pub use source::{ReadAt, Source};
pub use span::{Logits, Span};
pub use stage::Stage;
pub use stream::{stream, stream_with, Stream, StreamOptions};
pub use version::{numerics_version, version};
pub use vocabulary::{Decoder, Encode, Role};
