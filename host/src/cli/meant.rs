//! Guesses at what somebody meant whose call makes no sense.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What somebody meant who named a recipe where a command belongs, or wanted to try a part of the samples.
pub fn meant(error: &clap::Error, typed: &[String]) -> Option<String> {
    let name = crate::command_name::typed();
    let recipe = || typed.iter().find(|argument| [".yaml", ".yml"].iter().any(|end| argument.ends_with(end)));
    match (error.kind(), error.get(ContextKind::InvalidSubcommand), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(command)), _) if command == "run" || recipe() == Some(command) => {
            recipe().map(|recipe| format!("a recipe is named with --recipe: `{name} --recipe {recipe}` runs it, `{name} check {recipe}` checks it"))
        }
        (ErrorKind::UnknownArgument, _, Some(ContextValue::String(argument)))
            if argument == "--limit" && typed.first().is_some_and(|first| first == "check") =>
        {
            let recipe = recipe().map_or("FILE", String::as_str);
            Some(format!(
                "`check` looks at no samples: `{name} --recipe {recipe} --dry-run --limit N` tries the stages on N of them, and says how long all take"
            ))
        }
        _ => None,
    }
}
