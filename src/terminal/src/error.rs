//! An error as one text. Enters: an error with its causes. Leaves: each cause once, however many of the messages above it quote
//! it already.

/// The message and those of its causes that it does not contain.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let cause = cause.trim();
        if text.is_empty() {
            text.push_str(cause);
        } else if !text.contains(cause) {
            text.push_str(": ");
            text.push_str(cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::io;

    #[test]
    fn a_cause_that_a_message_quotes_is_not_told_again() {
        let refused = || anyhow::Error::from(io::Error::other("Connection refused (os error 111)"));
        let quoting = refused().context("h:1: Connection refused (os error 111); start the server");
        assert_eq!(told(&quoting), "h:1: Connection refused (os error 111); start the server");
        let above = Err::<(), _>(quoting).context("the schema cannot be read").expect_err("an error");
        assert_eq!(told(&above), "the schema cannot be read: h:1: Connection refused (os error 111); start the server");
        assert_eq!(told(&refused().context("no stack")), "no stack: Connection refused (os error 111)");
    }
}
