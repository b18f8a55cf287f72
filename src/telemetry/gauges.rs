//! Gauges that are computed when they are asked for, in the Prometheus text format.

use std::fmt::Write;

use super::METRICS;

/// Samples in the order they were set, by metric.
#[derive(Default)]
pub(super) struct Gauges(Vec<(&'static str, String, f64)>);

impl Gauges {
    pub(super) fn set(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        let label = |(key, value): &(&str, &str)| {
            let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            format!("{key}=\"{value}\"")
        };
        let labels: Vec<String> = labels.iter().map(label).collect();
        self.0.push((name, labels.join(","), value));
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for metric in METRICS {
            let mut samples = self.0.iter().filter(|(name, ..)| *name == metric.name).peekable();
            if samples.peek().is_none() {
                continue;
            }
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {0} {1}\n# TYPE {0} gauge", metric.name, metric.description);
            for (name, labels, value) in samples {
                let _ = match labels.as_str() {
                    "" => writeln!(text, "{name} {value}"),
                    labels => writeln!(text, "{name}{{{labels}}} {value}"),
                };
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::PROJECTION_ROWS;
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut page = Gauges::default();
        page.set(PROJECTION_ROWS, &[("projection", "a\"b\\c\nd")], 1.0);
        assert!(page.render().contains(r#"projection_rows{projection="a\"b\\c\nd"} 1"#));
    }
}
