//! A search as it is asked for: `q`, `text` or a vector, filters, facets, sort, pages and highlights. The search index answers it.

use std::ops::Bound;

use super::list_parameters::split;
use super::nearest_parameters::nearest;
use super::parameters::{Pairs, page_size, take};
use crate::query::QueryError;
use crate::read_model::search::{Condition, Cuts, Highlight, Nearest, SearchFilter, SearchRequest};

const QUERY_LENGTH_MAX: usize = 1024;
/// Begins the parameters that count a column by ranges.
pub(super) const RANGES: &str = "facet.";
const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 200;
const HIGHLIGHT_CHARS: usize = 200;

/// Every parameter that is not named here is a filter: `status=READY`, `status.in=A,B`, `total.gte=10`. A column that has the
/// name of one of these is reached as `text.eq`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct SearchParameters {
    /// What is searched for, in the query language; empty for all documents.
    query: String,
    /// What somebody types. No text is refused.
    text: Option<String>,
    filters: Pairs,
    /// `filter=notes:late`: what must hold too, in the query language.
    restriction: String,
    nearest: Option<Nearest>,
    /// `facet=status,band`.
    facets: Vec<String>,
    /// `facet.total=10,50` or `facet.placed_at=month`.
    ranges: Vec<(String, Cuts)>,
    /// `like=o-1`: the key of a document that others are to be like.
    like: Option<String>,
    /// `sort=-total,status`: column and whether it descends. Empty for the best match first.
    sort: Vec<(String, bool)>,
    page_size: usize,
    page_token: Option<String>,
    /// `highlight=notes` or `highlight=true` for every text field.
    highlight: Option<String>,
}

impl SearchParameters {
    /// # Errors
    /// Where a parameter is given twice, the text is too long, or the page size is no number in its range.
    pub(super) fn take(mut pairs: Pairs) -> Result<Self, QueryError> {
        let query = take(&mut pairs, "q")?;
        let restriction = take(&mut pairs, "filter")?.unwrap_or_default();
        for (name, text) in [("q", query.as_deref().unwrap_or_default()), ("filter", &restriction)] {
            if text.len() > QUERY_LENGTH_MAX {
                let error = QueryError::invalid(format!("{name} is longer than {QUERY_LENGTH_MAX} bytes"));
                return Err(error.hint("what people type or paste goes into `text`, which takes any length"));
            }
        }
        let text = take(&mut pairs, "text")?;
        let list = |text: Option<String>| -> Vec<String> {
            text.iter().flat_map(|text| text.split(',')).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let facets = list(take(&mut pairs, "facet")?);
        let ranges = pairs.extract_if(.., |(key, _)| key.starts_with(RANGES));
        let ranges = ranges.map(|(key, value)| (key[RANGES.len()..].to_owned(), cuts(&value))).collect();
        let like = take(&mut pairs, "like")?;
        let nearest = nearest(&mut pairs, query.is_some() || text.is_some() || like.is_some())?;
        let descends = |name: String| match name.strip_prefix('-') {
            Some(rest) => (rest.to_owned(), true),
            None => (name, false),
        };
        let sort = list(take(&mut pairs, "sort")?).into_iter().map(descends).collect();
        let size = take(&mut pairs, "pageSize")?;
        let page_size = page_size(size.as_deref(), PAGE_DEFAULT, PAGE_MAX)?;
        let page_token = take(&mut pairs, "pageToken")?;
        let highlight = take(&mut pairs, "highlight")?.filter(|text| text != "false");
        Ok(SearchParameters {
            query: query.unwrap_or_default(),
            text,
            filters: pairs,
            restriction,
            nearest,
            facets,
            ranges,
            like,
            sort,
            page_size,
            page_token,
            highlight,
        })
    }

    /// What is searched for, for people.
    pub(super) fn sought(&self) -> &str {
        self.text.as_deref().unwrap_or(&self.query)
    }

    /// The request to an index with these text fields. A page token is the number of hits before the page: pages of a
    /// changing index may overlap.
    ///
    /// # Errors
    /// Where the page token is no number.
    pub(super) fn request(&self, text_fields: Vec<String>) -> Result<SearchRequest, QueryError> {
        let offset = match &self.page_token {
            Some(token) => token.parse().map_err(|_| QueryError::invalid(format!("`{token}` is not a page token")))?,
            None => 0,
        };
        let highlight = self.highlight.as_deref().map(|fields| Highlight {
            fields: if fields == "true" { text_fields } else { fields.split(',').map(str::to_owned).collect() },
            max_chars: HIGHLIGHT_CHARS,
        });
        Ok(SearchRequest {
            query: self.query.clone(),
            text: self.text.clone(),
            filters: self.filters.iter().map(|(key, value)| filter(key, value)).collect(),
            restriction: self.restriction.clone(),
            nearest: self.nearest.clone(),
            facets: self.facets.clone(),
            ranges: self.ranges.clone(),
            like: self.like.as_deref().map(split),
            sort: self.sort.clone(),
            offset,
            limit: self.page_size,
            highlight,
        })
    }
}

/// `day`, `month`, `year`, or the values between which is counted.
fn cuts(text: &str) -> Cuts {
    match text {
        "day" => Cuts::Day,
        "month" => Cuts::Month,
        "year" => Cuts::Year,
        values => Cuts::At(split(values)),
    }
}

fn filter(key: &str, value: &str) -> SearchFilter {
    let value = value.to_owned();
    let (field, condition) = match key.rsplit_once('.') {
        Some((field, "eq")) => (field, Condition::Is(value)),
        Some((field, "ne")) => (field, Condition::IsNot(value)),
        Some((field, "in")) => (field, Condition::AnyOf(split(&value))),
        Some((field, "lt")) => (field, Condition::Between(Bound::Unbounded, Bound::Excluded(value))),
        Some((field, "lte")) => (field, Condition::Between(Bound::Unbounded, Bound::Included(value))),
        Some((field, "gt")) => (field, Condition::Between(Bound::Excluded(value), Bound::Unbounded)),
        Some((field, "gte")) => (field, Condition::Between(Bound::Included(value), Bound::Unbounded)),
        _ => (key, Condition::Is(value)),
    };
    SearchFilter { field: field.to_owned(), condition }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parameters_become_a_search() {
        let pairs = [("q", "late delivery"), ("status", "READY"), ("facet", "status,band"), ("sort", "-total,id")];
        let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let search = SearchParameters::take(pairs).unwrap();
        assert_eq!((search.query.as_str(), &search.text), ("late delivery", &None));
        assert_eq!(search.filters, [("status".to_owned(), "READY".to_owned())]);
        assert_eq!(search.facets, ["status", "band"]);
        assert_eq!(search.sort, [("total".to_owned(), true), ("id".to_owned(), false)]);
        assert_eq!(search.page_size, 20);
    }
}
