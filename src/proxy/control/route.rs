//! Method and path -> what is asked.

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// What is asked; names are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    ListProxies,
    CreateProxy,
    Populate,
    ShowProxy(String),
    UpdateProxy(String),
    DeleteProxy(String),
    ListToxics(String),
    CreateToxic(String),
    ShowToxic(String, String),
    UpdateToxic(String, String),
    DeleteToxic(String, String),
    Reset,
    Version,
    Metrics,
}

/// What is asked, or the status that says that nothing of the kind can be.
pub(super) fn route(method: &Method, path: &str) -> Result<Route, StatusCode> {
    let names = segments(path).ok_or(StatusCode::NOT_FOUND)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = match (names.as_slice(), method.as_str()) {
        (["proxies"], "GET") => Route::ListProxies,
        (["proxies"], "POST") => Route::CreateProxy,
        (["populate"], "POST") => Route::Populate,
        (["reset"], "POST") => Route::Reset,
        (["version"], "GET") => Route::Version,
        (["metrics"], "GET") => Route::Metrics,
        (["proxies", proxy], "GET") => Route::ShowProxy((*proxy).to_owned()),
        (["proxies", proxy], "POST" | "PATCH") => Route::UpdateProxy((*proxy).to_owned()),
        (["proxies", proxy], "DELETE") => Route::DeleteProxy((*proxy).to_owned()),
        (["proxies", proxy, "toxics"], "GET") => Route::ListToxics((*proxy).to_owned()),
        (["proxies", proxy, "toxics"], "POST") => Route::CreateToxic((*proxy).to_owned()),
        (["proxies", proxy, "toxics", toxic], "GET") => Route::ShowToxic((*proxy).to_owned(), (*toxic).to_owned()),
        (["proxies", proxy, "toxics", toxic], "POST" | "PATCH") => {
            Route::UpdateToxic((*proxy).to_owned(), (*toxic).to_owned())
        }
        (["proxies", proxy, "toxics", toxic], "DELETE") => Route::DeleteToxic((*proxy).to_owned(), (*toxic).to_owned()),
        (known, _) => return Err(unknown(known)),
    };
    Ok(found)
}

/// A path that is known is asked by a method that is not.
fn unknown(names: &[&str]) -> StatusCode {
    match names {
        ["proxies" | "populate" | "reset" | "version" | "metrics"]
        | ["proxies", _]
        | ["proxies", _, "toxics"]
        | ["proxies", _, "toxics", _] => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_FOUND,
    }
}

/// The parts of a path, decoded after they were parted: a name may have a slash in it. None where a part is empty or
/// no text.
fn segments(path: &str) -> Option<Vec<String>> {
    let parts = path.strip_prefix('/')?.split('/');
    let decoded = parts.map(|part| percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned));
    decoded.map(|part| part.filter(|part| !part.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use hyper::{Method, StatusCode};

    use super::{Route, route};

    #[test]
    fn names_are_decoded_after_the_path_was_parted() {
        let asked = route(&Method::GET, "/proxies/a%2Fb%20c/toxics/%C3%A9");
        assert_eq!(asked, Ok(Route::ShowToxic("a/b c".into(), "é".into())));
    }

    #[test]
    fn a_known_path_with_another_method_is_not_allowed_and_an_unknown_one_not_found() {
        assert_eq!(route(&Method::PUT, "/proxies/a"), Err(StatusCode::METHOD_NOT_ALLOWED));
        assert_eq!(route(&Method::GET, "/reset"), Err(StatusCode::METHOD_NOT_ALLOWED));
        for path in
            ["/", "", "proxies", "/proxies/", "/proxies//toxics", "/proxies/a/b", "/../proxies/x/y", "/proxies/%ff"]
        {
            assert_eq!(route(&Method::GET, path), Err(StatusCode::NOT_FOUND), "{path}");
        }
    }

    #[test]
    fn dots_are_names_and_lead_nowhere() {
        assert_eq!(route(&Method::GET, "/proxies/.."), Ok(Route::ShowProxy("..".into())));
    }

    #[test]
    fn post_and_patch_both_update() {
        for method in [Method::POST, Method::PATCH] {
            assert_eq!(route(&method, "/proxies/a"), Ok(Route::UpdateProxy("a".into())));
            assert_eq!(route(&method, "/proxies/a/toxics/b"), Ok(Route::UpdateToxic("a".into(), "b".into())));
        }
    }
}
