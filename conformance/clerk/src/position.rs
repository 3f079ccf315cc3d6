//! Positions in TOML texts, for error messages.

/// Returns the line and column, counted from 1, of a byte offset in `text`.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Formats a TOML error with its line and column. Unlike the error's own `Display`, it does not quote the
/// line, which may contain a secret.
pub fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
    format!("line {line}, column {column}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_errors_have_a_position_and_do_not_quote_the_text() {
        let text = "a = 1\nDB_PASSWORD = hunter2";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let fault = toml_fault(text, &error);
        assert!(
            fault.starts_with("line 2, column 15: ") && !fault.contains("hunter2"),
            "{fault}"
        );
    }
}
