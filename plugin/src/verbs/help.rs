//! `help`: of a command, or of the exit codes.

use clap::Command;

use crate::cli;
use crate::exit::{Failure, Result, TABLE};
use crate::output::Output;

/// Arguments of `help`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A command such as `topic create`, or `exit-codes`
    #[arg(value_name = "COMMAND")]
    words: Vec<String>,
}

/// Prints help.
///
/// # Errors
/// When there is no such command.
pub fn run(output: &Output, args: &Args) -> Result<()> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    if words == ["exit-codes"] {
        return output.line(&exit_codes());
    }
    let mut command = cli::command();
    command.build();
    let mut found = &mut command;
    for word in words {
        found = descend(found, word)?;
    }
    found.print_long_help()?;
    Ok(())
}

fn descend<'a>(command: &'a mut Command, word: &str) -> Result<&'a mut Command> {
    let name = command.get_name().to_owned();
    command.find_subcommand_mut(word).ok_or_else(|| {
        Failure::usage(format!("{name} has no command {word}")).hint("kubectl kafka --help")
    })
}

/// The table of exit codes.
pub fn exit_codes() -> String {
    let rows: Vec<String> = TABLE
        .iter()
        .map(|(code, meaning)| format!("{:>4}  {meaning}", *code as u8))
        .collect();
    format!("CODE  MEANING\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_explained_once() {
        let text = exit_codes();
        for code in [0, 1, 2, 3, 4, 5, 6, 7, 124, 130, 143] {
            assert_eq!(
                text.lines()
                    .filter(|l| l.trim_start().starts_with(&format!("{code}  ")))
                    .count(),
                1,
                "{code}\n{text}"
            );
        }
    }

    #[test]
    fn help_finds_nested_commands_only() {
        let mut command = cli::command();
        assert!(descend(descend(&mut command, "topic").unwrap(), "create").is_ok());
        assert_eq!(
            descend(&mut command, "nonsense").unwrap_err().code,
            crate::exit::Code::Usage
        );
    }
}
