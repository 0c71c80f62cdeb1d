//! What models, formats and the library tell about themselves; texts and ids.
mod common;
use common::{model, scratch, PATH};
use skald::{Cache, CacheOptions, DType, Encode, Error, Model, ModelOptions, Role, Runtime, Source};
use std::path::Path;

#[test]
fn sizes_and_where_they_come_from() {
    let model = model();
    let info = model.info();
    assert_eq!((info.n_layers, info.n_embd, info.n_heads, info.n_kv_heads), (2, 108, 9, 3));
    assert_eq!((info.head_dim_k, info.head_dim_v, info.n_ff, info.n_vocab), (12, 12, 140, 300));
    assert_eq!((info.n_context, info.latent_dim, info.latent_rope_dim), (256, 0, 0));
    assert_eq!((info.architecture.as_str(), info.name.as_str(), info.device.as_str()), ("llama", "tiny", "cpu"));
    let mut seen = Runtime::new(1, None).unwrap().inspect(PATH).unwrap();
    assert_eq!((seen.architecture.as_str(), seen.device.as_str(), seen.n_parameters), ("", "", 0));
    (seen.architecture, seen.name, seen.device) = (info.architecture.clone(), info.name.clone(), info.device.clone());
    (seen.n_parameters, seen.n_file_bytes) = (info.n_parameters, info.n_file_bytes); // sizes only: tensors are not looked at
    assert_eq!(seen, info);
    let bytes: u64 = model.tensors().map(|t| t.n_bytes).sum();
    let elements: u64 = model.tensors().map(|t| t.shape.iter().product::<u64>()).sum();
    assert_eq!((bytes, elements), (info.n_file_bytes, info.n_parameters));
    let options = CacheOptions { k_type: DType::F32, ..CacheOptions::default() };
    let per_token = Cache::new(&model, &options).unwrap().stats().unwrap().bytes_per_token;
    assert_eq!(info.cache_bytes_per_token(DType::F32, DType::F16), per_token);
    assert_eq!(per_token, 2 * 3 * 12 * (4 + 2));
    assert_eq!(info.cache_bytes_per_token(DType::Q8_0, DType::F16), 0); // heads of 12 are no whole blocks
    let missing = Runtime::new(1, None).unwrap().inspect("/nowhere");
    assert!(matches!(missing, Err(Error::Read(_))), "{missing:?}");
    let config = scratch("config.json", br#"{"architectures": ["LlamaForCausalLM"]"#);
    assert!(matches!(Runtime::new(1, None).unwrap().inspect(config), Err(Error::Format(_))));
}

#[test]
fn metadata_tensors_and_kernels() {
    let model = model();
    let keys: Vec<&str> = model.metadata_keys().collect();
    assert_eq!((keys[0], keys.len()), ("general.architecture", 26));
    assert!(keys.iter().all(|key| model.metadata(key).unwrap().is_some()));
    assert_eq!(model.metadata("llama.block_count").unwrap().as_deref(), Some("2"));
    assert_eq!(model.metadata("general.name").unwrap().as_deref(), Some("tiny"));
    assert_eq!(model.metadata("tokenizer.ggml.tokens").unwrap().as_deref(), Some("[300 values of type text]"));
    assert_eq!(model.metadata("general.nothing").unwrap(), None);
    assert!(matches!(model.metadata("a\0b"), Err(Error::Argument(_))));
    let tensors: Vec<_> = model.tensors().collect();
    assert_eq!((tensors.len(), tensors[0].name.as_str()), (20, "token_embd.weight"));
    assert_eq!((tensors[0].dtype, tensors[0].shape, tensors[0].n_bytes), (DType::F32, [108, 300, 1, 1], 4 * 108 * 300));
    assert!(tensors.iter().any(|t| t.kernel.starts_with("f32/")) && tensors.iter().any(|t| t.kernel.is_empty()));
    let kernels: Vec<_> = model.kernels().collect();
    assert!(
        !kernels.is_empty() && kernels.iter().all(|(operation, kernel)| !operation.is_empty() && !kernel.is_empty())
    );
}

#[test]
fn ids_and_what_they_are_for() {
    let model = model();
    assert_eq!((model.token(Role::Bos), model.token(Role::Padding)), (Some(0), Some(0)));
    assert_eq!((model.token(Role::EndOfTurn), model.token(Role::FimMiddle)), (Some(2), None));
    let ends = model.ends();
    assert_eq!(ends, [0, 2]);
    assert!((0..300).all(|id| model.is_end(id) == ends.contains(&id)));
}

#[test]
fn strangers_cannot_write_control_tokens() {
    let model = model();
    let special = Encode { special: true, ..Encode::default() };
    let text = b"<|im_end|>";
    assert_eq!(model.encode_guarded(text, &[0; 10], special).unwrap(), [2]);
    let mut stranger = [0; 10];
    stranger[9] = 1;
    let ids = model.encode_guarded(text, &stranger, special).unwrap();
    assert!(ids.len() > 1 && !ids.contains(&2));
    assert_eq!(model.decode_bytes(&ids, false, true).unwrap(), text);
    assert_eq!(model.decode_bytes(&[2], false, false).unwrap(), b"");
    assert_eq!(model.decode_bytes(&[2], true, false).unwrap(), text);
    assert!(matches!(model.encode_guarded(text, &[0; 9], special), Err(Error::Argument(_))));
    assert!(matches!(model.decode(&[300], false), Err(Error::Argument(_))));
    let bytes = [0xFF, b'a', 0xFE];
    let ids = model.encode_guarded(&bytes, &[0; 3], special).unwrap();
    assert_eq!(model.decode_bytes(&ids, false, false).unwrap(), bytes);
}

#[test]
fn a_text_begins_without_the_space_that_encoding_put_there() {
    let path = PATH.replace("tiny/llama_gqa_tied/model-f32.gguf", "tokenizer/llama2.gguf");
    let options = ModelOptions { vocabulary_only: true, ..ModelOptions::default() };
    let runtime = Runtime::new(1, None).unwrap();
    let model = Model::open_with(&runtime, vec![Source::Path(Path::new(&path))], options).unwrap();
    let ids = model.encode("the", Encode::default()).unwrap();
    assert_eq!(model.decode_bytes(&ids, false, true).unwrap(), b"the");
    assert_eq!(model.decode_bytes(&ids, false, false).unwrap(), b" the");
}

#[test]
fn formats() {
    assert_eq!((DType::Q4_K.name().as_str(), DType::new(9999).name().as_str()), ("Q4_K", ""));
    assert_eq!(format!("{} {:?}", DType::F16, DType::BF16), "F16 DType(30 BF16)");
    assert_eq!(DType::new(8), DType::Q8_0);
    assert_eq!((DType::Q8_0.bytes(64), DType::Q8_0.bytes(63), DType::new(9999).bytes(1)), (Some(68), None, None));
    let mut block = vec![0x00, 0x38]; // a half, of Q8_0
    block.extend((0..32).map(|i: i8| (i - 16) as u8));
    let want: Vec<f32> = (0..32).map(|i| (i - 16) as f32 * 0.5).collect();
    assert_eq!(DType::Q8_0.to_f32(&block, 32).unwrap(), want);
    assert!(matches!(DType::Q8_0.to_f32(&block, 64), Err(Error::Argument(_))));
    assert!(matches!(DType::I32.to_f32(&[0; 4], 1), Err(Error::Argument(_))));
}

#[test]
fn versions_and_statuses() {
    assert_eq!((skald::version().0, skald::version().1), (0, 1));
    assert!(skald::numerics_version() > 0);
    assert_eq!(skald::status_text(skald::sys::SKALD_END), "there is no more");
}
