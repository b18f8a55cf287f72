//! What the demo reads out of the daemon's answers.

use serde_json::Value;

use super::DemoError;

/// `"12.34"` is 1234 cents; further digits have to be zeros.
pub(super) fn cents(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (two, rest) = fraction.split_at_checked(2).unwrap_or((fraction, ""));
    if rest.bytes().any(|digit| digit != b'0') {
        return None;
    }
    format!("{whole}{two:0<2}").parse().ok()
}

pub(super) fn json(body: &str) -> Result<Value, DemoError> {
    serde_json::from_str(body).map_err(|error| answer(&error.to_string()))
}

pub(super) fn items(body: &str) -> Result<Vec<Value>, DemoError> {
    Ok(json(body)?["items"].as_array().cloned().unwrap_or_default())
}

pub(super) fn answer(what: &str) -> DemoError {
    DemoError::Answer(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_to_the_cent() {
        let read = ["12.34", "-0.50", "7", "1.5", "3.1400", "3.141", "x"].map(cents);
        assert_eq!(read, [Some(1234), Some(-50), Some(700), Some(150), Some(314), None, None]);
    }
}
