//! hello: prompt in, text out.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 3 {
        return Err("usage: hello MODEL.gguf PROMPT".into());
    }
    let runtime = skald::Runtime::new(0, None)?;
    let model = skald::Model::open(&runtime, &arguments[1])?;
    for text in skald::stream(&model, &arguments[2], 128, &skald::Sampling::default())? {
        print!("{}", text?);
    }
    println!();
    Ok(())
}
