//! YAML as it is written for a person: entry by entry, with comments. How a scalar is written is the library's matter.

use serde::Serialize;

/// Text that grows downwards.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) text: String,
    indent: usize,
}

impl Page {
    pub(super) fn comment(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    /// `key: value`, whatever the value is.
    ///
    /// # Errors
    /// YAML cannot hold the value.
    pub(super) fn entry(&mut self, key: &str, value: impl Serialize) -> Result<(), serde_yaml::Error> {
        self.commented(key, value, "")
    }

    /// The same with a comment behind its first line, if there is any.
    ///
    /// # Errors
    /// YAML cannot hold the value.
    pub(super) fn commented(
        &mut self,
        key: &str,
        value: impl Serialize,
        comment: &str,
    ) -> Result<(), serde_yaml::Error> {
        let mut entry = serde_yaml::Mapping::new();
        entry.insert(key.into(), serde_yaml::to_value(value)?);
        let text = serde_yaml::to_string(&entry)?;
        for (number, line) in text.lines().enumerate() {
            // A block of several lines keeps them as they are.
            let is_block = line.ends_with(['|', '>', '-', '+']);
            match number {
                0 if !comment.is_empty() && is_block => {
                    self.comment(comment);
                    self.line(line);
                }
                0 if !comment.is_empty() => self.line(&format!("{line} # {comment}")),
                _ => self.line(line),
            }
        }
        Ok(())
    }

    /// `key:`, with what `below` writes as its entries.
    ///
    /// # Errors
    /// What `below` fails with.
    pub(super) fn nested(
        &mut self,
        key: &str,
        comment: &str,
        below: impl FnOnce(&mut Page) -> Result<(), serde_yaml::Error>,
    ) -> Result<(), serde_yaml::Error> {
        let text = serde_yaml::to_string(&serde_yaml::Mapping::from_iter([(key.into(), serde_yaml::Value::Null)]))?;
        // Without its value, which comes below.
        let head = text.trim_end().strip_suffix(" null").unwrap_or(text.trim_end()).to_owned();
        let comment = if comment.is_empty() { String::new() } else { format!(" # {comment}") };
        head.lines().for_each(|line| self.line(line));
        let end = self.text.len() - 1;
        self.text.insert_str(end, &comment);
        self.indent += 2;
        let written = below(self);
        self.indent -= 2;
        written
    }

    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n(' ', self.indent));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }
}

/// Text in a value, where `${` would be taken for a variable of the environment.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// Several remarks in one comment.
pub(super) fn remarks(values: &[String], doubt: Option<&str>) -> String {
    let values = if values.is_empty() { String::new() } else { format!("one of {}", values.join(", ")) };
    let doubt = doubt.map(on_one_line).unwrap_or_default();
    [doubt, values].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use expect_test::expect;

    use super::*;

    #[test]
    fn whatever_is_a_key_or_a_value_is_quoted_where_it_must_be() {
        let mut page = Page::default();
        page.comment("first");
        for key in ["plain", "on: off", "", "a # b", "two\nlines", "<<", "1"] {
            page.nested(key, "remark", |page| page.commented("type", "decimal(18,2)!", "one of a, b")).unwrap();
        }
        page.entry("path", literal("${HOME}/x")).unwrap();
        expect![[r#"
            # first
            plain: # remark
              type: decimal(18,2)! # one of a, b
            'on: off': # remark
              type: decimal(18,2)! # one of a, b
            '': # remark
              type: decimal(18,2)! # one of a, b
            'a # b': # remark
              type: decimal(18,2)! # one of a, b
            ? |-
              two
              lines
            : # remark
              type: decimal(18,2)! # one of a, b
            <<: # remark
              type: decimal(18,2)! # one of a, b
            '1': # remark
              type: decimal(18,2)! # one of a, b
            path: $${HOME}/x
        "#]]
        .assert_eq(&page.text);
        let read: serde_yaml::Mapping = serde_yaml::from_str(&page.text).unwrap();
        assert_eq!(read.len(), 8);
    }
}
