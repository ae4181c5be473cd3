//! Writes randomly initialised full-size checkpoints for recipes/imagenet.yaml: `cargo run --release -p convert-tests --example random_weights -- FOLDER [--tiny]`.
//! Prints the variables that name them, for a shell to take over. Full size takes 7.7 GB of disk.

use std::path::PathBuf;

use convert_tests::random_vit::Shape;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: random_weights FOLDER [--tiny]");
        std::process::exit(2);
    };
    let tiny = arguments.next().is_some_and(|argument| argument == "--tiny");
    std::fs::create_dir_all(&folder)?;
    for ((name, shape), seed) in Shape::PUBLISHED.into_iter().zip(1..) {
        let file = folder.join(format!("{}.safetensors", name.to_lowercase()));
        let shape = if tiny { shape.tiny() } else { shape };
        shape.write(&file, seed)?;
        println!("export {name}={}", std::path::absolute(&file)?.display());
    }
    Ok(())
}
