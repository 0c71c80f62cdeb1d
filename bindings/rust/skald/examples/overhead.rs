//! tests/speed/overhead.c through the safe crate.
use skald::{Cache, CacheOptions, Context, Decoder, Model, Runtime, Sampler, Sampling};

fn main() -> skald::Result<()> {
    const N_TOKENS: u32 = 10000;
    const N_LENGTH: u32 = 1000;
    let path = std::env::args().nth(1).unwrap_or_default();
    let model = Model::open(&Runtime::new(1, None)?, path)?;
    let cache = Cache::new(&model, &CacheOptions { n_tokens: N_LENGTH.into(), ..CacheOptions::default() })?;
    let mut context = Context::new(&model, 0, 0)?;
    let mut sampler = Sampler::new(&model, &Sampling::default())?;
    let mut decoder = Decoder::new(&model, false);
    let mut sequence = cache.open()?;
    let (mut id, mut sum) = (1, 0i64);
    let begin = std::time::Instant::now();
    for i in 0..N_TOKENS {
        if i % N_LENGTH == 0 {
            sequence.rewind(0)?;
        }
        context.feed(&sequence, &[id])?;
        let row = context.logits(0).expect("a row");
        id = sampler.choose(row, (i % N_LENGTH + 1).into(), &[])?;
        decoder.push(id)?;
        sum += i64::from(id);
    }
    println!("{:.3} {sum}", begin.elapsed().as_secs_f64() * 1e6 / f64::from(N_TOKENS));
    Ok(())
}
