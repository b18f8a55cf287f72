//! Gauges that are computed when they are asked for, in the Prometheus text format.

use std::fmt::Write;

use super::METRICS;

/// Samples in the order they were set, by metric.
#[derive(Default)]
pub(super) struct Gauges(Vec<(&'static str, String, f64)>);

impl Gauges {
    pub(super) fn set(&mut self, name: &'static str, labels: &[(&str, &str)], value: f64) {
        self.0.push((name, labelled(labels), value));
    }

    pub(super) fn render(&self) -> String {
        self.render_as("gauge")
    }

    pub(super) fn render_as(&self, kind: &str) -> String {
        let mut text = String::new();
        for metric in METRICS {
            let mut samples = self.0.iter().filter(|(name, ..)| *name == metric.name).peekable();
            if samples.peek().is_none() {
                continue;
            }
            text.push_str(&head(metric.name, kind));
            for (name, labels, value) in samples {
                // Writing to a string cannot fail.
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

/// What stands before the samples of a metric.
pub(super) fn head(name: &str, kind: &str) -> String {
    let described = METRICS.iter().find(|metric| metric.name == name).map_or("", |metric| metric.description);
    format!("# HELP {name} {described}\n# TYPE {name} {kind}\n")
}

/// Labels as they stand between the braces.
pub(super) fn labelled(labels: &[(&str, &str)]) -> String {
    let label = |(key, value): &(&str, &str)| {
        let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        format!("{key}=\"{value}\"")
    };
    labels.iter().map(label).collect::<Vec<_>>().join(",")
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
