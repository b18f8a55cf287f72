//! `/`: the console, a page for people. Its files are in the program; all that it shows and does goes through the routes that
//! anybody has.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use xxhash_rust::xxh3::xxh3_64;

use super::no_route;

/// Nothing but this listener's own files is loaded, run or asked, and no other page shows this one.
const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the console.
struct File {
    name: &'static str,
    content: &'static [u8],
}

/// Makes the table of the files; all of them lie in one folder.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(File { name: $name, content: include_bytes!(concat!("console/", $name)) }),*]
    };
}

const FILES: &[File] = files![
    "actions.js",
    "api.js",
    "builds.js",
    "chart.js",
    "connection.js",
    "console.css",
    "curl.js",
    "decisions.js",
    "dom.js",
    "graph.js",
    "history.js",
    "icon.svg",
    "index.html",
    "keys.js",
    "main.js",
    "overview.js",
    "parked.js",
    "parts.js",
    "payload.js",
    "projection.js",
    "promise.js",
    "remember.js",
    "rows.js",
    "search.js",
    "source.js",
    "sql.js",
    "table.js",
    "token.js",
    "units.js",
];

/// The page itself.
pub(super) async fn page(headers: HeaderMap, uri: Uri) -> Response {
    served("index.html", &headers, uri).await
}

/// What the page consists of.
pub(super) async fn file(path: Result<Path<String>, PathRejection>, headers: HeaderMap, uri: Uri) -> Response {
    match path {
        Ok(Path(name)) => served(&name, &headers, uri).await,
        Err(_) => no_route(uri).await,
    }
}

async fn served(name: &str, headers: &HeaderMap, uri: Uri) -> Response {
    let file = FILES.iter().find(|file| file.name == name);
    let Some((file, content_type)) = file.and_then(|file| Some((file, content_type(file.name)?))) else {
        return no_route(uri).await;
    };
    // It is weak: compressed, the file has other bytes.
    let etag = format!("W/\"{:016x}\"", xxh3_64(file.content));
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = match has_it {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, content_type)], file.content).into_response(),
    };
    let fixed: [(HeaderName, &str); 5] = [
        // Another version of the program has other files at the same paths.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::ETAG, &etag),
    ];
    for (name, value) in fixed {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// None of a file of a kind that no browser is to have.
fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/http/console");
        let there = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut there: Vec<String> = there.collect();
        there.sort();
        let mut served: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        served.sort_unstable();
        assert_eq!(served, there);
        assert!(FILES.iter().all(|file| content_type(file.name).is_some()));
    }
}
