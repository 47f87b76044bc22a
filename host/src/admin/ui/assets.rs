//! The style sheet, the script and the icon, under names with their digests so that browsers keep them for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// A year, and never asked for again: another content has another name.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// A file that pages use.
pub struct Asset {
    /// Its path.
    pub path: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, kind: &'static str, content: &'static str) -> Self {
        let digest = blake3::hash(content.as_bytes()).to_hex();
        let path = format!("/assets/{stem}.{}.{ending}", &digest[..12]);
        Self {
            path,
            kind,
            content,
        }
    }
}

/// The style sheet.
pub static CSS: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../../../assets/panel.css");
    Asset::new("panel", "css", "text/css; charset=utf-8", content)
});

/// The script.
pub static JS: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../../../assets/panel.js");
    Asset::new("panel", "js", "text/javascript; charset=utf-8", content)
});

/// The picture in the browser's tab.
pub static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_str!("../../../assets/icon.svg");
    Asset::new("icon", "svg", "image/svg+xml", content)
});

/// Serves them.
pub async fn asset(Path(name): Path<String>) -> Response {
    let known = [&*CSS, &*JS, &*ICON];
    let path = format!("/assets/{name}");
    match known.into_iter().find(|one| one.path == path) {
        Some(found) => {
            let fields = [(CONTENT_TYPE, found.kind), (CACHE_CONTROL, FOR_GOOD)];
            (fields, found.content).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
    }
}
