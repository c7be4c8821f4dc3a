//! Asking before something is lost: the user types the name of what goes away.
//!
//! Only a terminal is asked; a script has to say `--yes`.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::exit::{Failure, Result};

/// Returns when the user typed `expected`, or at once with `yes`. `what` says what will happen.
///
/// # Errors
/// When there is nobody to ask, or the answer is another one.
pub fn confirm(yes: bool, what: &str, expected: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(
            Failure::usage(format!("{what}: not done without confirmation"))
                .hint("add --yes to do it without being asked"),
        );
    }
    let mut err = io::stderr().lock();
    write!(err, "{what}.\nType {expected} to go on: ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == expected {
        return Ok(());
    }
    Err(Failure::general("not confirmed; nothing was done"))
}
