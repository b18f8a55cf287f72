//! Wording shared by hints: "did you mean" and lists of names.

/// The known name that was most likely meant, as a hint.
pub(super) fn did_you_mean(name: &str, known: &[impl AsRef<str>]) -> Option<String> {
    closest(name, known).map(|found| format!("did you mean `{found}`?"))
}

/// The known name that differs least, if it differs little.
fn closest<'a>(name: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let folded = |text: &str| text.to_lowercase().replace(['_', '-'], "");
    let name = folded(name);
    let distance = |candidate: &str| strsim::osa_distance(&name, &folded(candidate));
    let best = known.iter().map(AsRef::as_ref).min_by_key(|candidate| distance(candidate))?;
    let length = name.chars().count().max(best.chars().count());
    // A third of the characters may differ; the shortest names allow one.
    (distance(best) <= (length / 3).max(1) && length > 1).then_some(best)
}

/// "`a`, `b` and `c`".
pub(super) fn join(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["subject", "filter_subjects", "stream"];
        assert_eq!(closest("filterSubject", &known), Some("filter_subjects"));
        assert_eq!(closest("steam", &known), Some("stream"));
        assert_eq!(closest("colour", &known), None);
        assert_eq!(closest("x", &["y"]), None);
    }
}
