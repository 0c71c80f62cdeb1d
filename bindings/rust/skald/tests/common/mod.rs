//! What the tests share: a small model of tests/golden/data, and files made of it.
#![allow(dead_code)] // each test is a crate of its own and needs a part of this
use skald::{Cache, CacheOptions, Context, Encode, Engine, Event, Model, Progress, Runtime};
use std::path::PathBuf;

pub const PATH: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/golden/data/tiny/llama_gqa_tied/model-f32.gguf");
pub const PROMPT: Encode = Encode { special: true, bos: true, eos: false };
pub const LAYOUT: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

pub fn model() -> Model {
    Model::open(&Runtime::new(2, None).unwrap(), PATH).unwrap()
}

/// The ids of the prompt of all tests.
pub fn prompt(model: &Model) -> Vec<i32> {
    model.encode("the sea", PROMPT).unwrap()
}

/// A file of this test alone.
pub fn scratch(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The likeliest ids behind a prompt, in a loop of the host's own, with the logits that each was chosen from.
pub fn greedy(model: &Model, prompt: &[i32], n: usize) -> (Vec<i32>, Vec<Vec<f32>>) {
    let cache = Cache::new(model, &CacheOptions::default()).unwrap();
    let mut context = Context::new(model, 0, 1).unwrap();
    let sequence = cache.open().unwrap();
    let (mut ids, mut rows, mut new) = (Vec::new(), Vec::new(), prompt.to_vec());
    while ids.len() < n {
        context.feed(&sequence, &new).unwrap();
        let id = context.argmax(0).unwrap();
        if model.is_end(id) {
            break;
        }
        rows.push(context.logits(0).unwrap().to_vec());
        ids.push(id);
        new = vec![id];
    }
    (ids, rows)
}

/// The logarithm of an id's share.
pub fn logprob(row: &[f32], id: i32) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&x| f64::from(x - most).exp()).sum();
    f64::from(row[id as usize] - most) - sum.ln()
}

/// Steps until nothing is left to do.
pub fn run(engine: &mut Engine) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let progress = engine.step(0).unwrap();
        all.extend(engine.events());
        if progress == Progress::Idle {
            return all;
        }
    }
}

fn packed(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text.as_bytes());
}

fn text_key(to: &mut Vec<u8>, key: &str, value: &str) {
    packed(to, key);
    to.extend(8u32.to_le_bytes());
    packed(to, value);
}

/// The model's file with a chat template: one more key in front, of a length that keeps the tensors aligned.
pub fn with_template(template: &str) -> Vec<u8> {
    let mut file = std::fs::read(PATH).unwrap();
    let mut key = Vec::new();
    text_key(&mut key, "tokenizer.chat_template", &format!("{template}{{##}}"));
    let padding = " ".repeat((32 - key.len() % 32) % 32);
    key.clear();
    text_key(&mut key, "tokenizer.chat_template", &format!("{template}{{#{padding}#}}"));
    let n_keys = u64::from_le_bytes(file[16..24].try_into().unwrap()) + 1;
    file.splice(24..24, key);
    file[16..24].copy_from_slice(&n_keys.to_le_bytes());
    file
}

/// An adapter for the queries of both layers: ramps of small numbers, which `seed` moves.
pub fn adapter(rank: u64, seed: i64) -> Vec<u8> {
    const WIDTH: u64 = 108;
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(4u64.to_le_bytes());
    file.extend(3u64.to_le_bytes());
    text_key(&mut file, "general.architecture", "llama");
    text_key(&mut file, "general.type", "adapter");
    text_key(&mut file, "adapter.type", "lora");
    let (mut data, mut declared) = (Vec::new(), 0u64);
    for layer in 0..2 {
        for (part, shape) in [("a", [WIDTH, rank]), ("b", [rank, WIDTH])] {
            packed(&mut file, &format!("blk.{layer}.attn_q.weight.lora_{part}"));
            file.extend(2u32.to_le_bytes());
            shape.iter().for_each(|n| file.extend(n.to_le_bytes()));
            file.extend(0u32.to_le_bytes());
            file.extend(declared.to_le_bytes());
            for i in 0..(WIDTH * rank) as i64 {
                let value = ((i * 37 + seed * 11 + layer * 5) % 33 - 16) as f32 / 64.0;
                data.extend(value.to_le_bytes());
            }
            data.resize((data.len() + 31) / 32 * 32, 0);
            declared = data.len() as u64;
        }
    }
    file.resize((file.len() + 31) / 32 * 32, 0);
    file.extend(data);
    file
}
