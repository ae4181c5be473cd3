//! Writes randomly initialised full-size checkpoints: `cargo run --release -p convert-tests --example random_weights -- FOLDER [--tiny | NAME…]`.
//!
//! Without names those of recipes/imagenet.yaml, and prints the variables that name them, for a shell to take over; full size takes 7.7 GB of disk. A NAME is a
//! published one of docs/backbones.md.

use std::path::PathBuf;

use convert_tests::random_vit::Shape;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else { usage() };
    let names: Vec<String> = arguments.collect();
    std::fs::create_dir_all(&folder)?;
    if names.first().is_some_and(|name| name != "--tiny") {
        for name in names {
            let Some(shape) = Shape::of_name(&name) else { usage() };
            let file = folder.join(format!("{name}.safetensors"));
            shape.write(&file, 1)?;
            println!("{}", file.display());
        }
        return Ok(());
    }
    for ((name, shape), seed) in Shape::PUBLISHED.into_iter().zip(1..) {
        let file = folder.join(format!("{}.safetensors", name.to_lowercase()));
        let shape = if names.is_empty() { shape } else { shape.tiny() };
        shape.write(&file, seed)?;
        println!("export {name}={}", std::path::absolute(&file)?.display());
    }
    Ok(())
}

fn usage() -> ! {
    eprintln!("usage: random_weights FOLDER [--tiny | NAME…]");
    std::process::exit(2);
}
