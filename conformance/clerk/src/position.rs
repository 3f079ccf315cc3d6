//! Where in a file something is wrong.

/// Line and column of a byte, from 1.
pub fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// What is wrong with a TOML text, without the line that it's in: there may be a secret.
pub fn toml_fault(text: &str, error: &toml::de::Error) -> String {
    let (line, column) = place(text, error.span().map_or(0, |span| span.start));
    format!("line {line}, column {column}: {}", error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_place_and_no_text() {
        let text = "a = 1\nDB_PASSWORD = hunter2";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let fault = toml_fault(text, &error);
        assert!(
            fault.starts_with("line 2, column 15: ") && !fault.contains("hunter2"),
            "{fault}"
        );
    }
}
