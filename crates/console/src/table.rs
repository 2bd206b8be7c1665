//! The table of the console's pages: where each is, and whether it is opened or a form is sent there. It is what serves them,
//! and what everybody goes through who checks that each page is guarded, and may be named in a log.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use http::Method;

use keystile_web::App;

/// Pages, and where they are.
#[derive(Default)]
pub(super) struct Pages {
    router: Router<App>,
    places: Vec<Place>,
}

/// A place that is served: what is asked there, and its path with names in it for what is not always the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) method: Method,
    pub(crate) path: String,
}

/// What one path answers.
pub(super) struct Methods {
    router: MethodRouter<App>,
    taken: Vec<Method>,
}

/// What is opened.
pub(super) fn get<H: Handler<T, App>, T: 'static>(page: H) -> Methods {
    Methods { router: routing::get(page), taken: vec![Method::GET] }
}

/// Where forms are sent, and nothing is to be opened.
pub(super) fn post<H: Handler<T, App>, T: 'static>(form: H) -> Methods {
    Methods { router: routing::post(form), taken: vec![Method::POST] }
}

impl Methods {
    /// The same, and forms are sent there.
    pub(super) fn post<H: Handler<T, App>, T: 'static>(self, form: H) -> Self {
        let Self { router, mut taken } = self;
        taken.push(Method::POST);
        Self { router: router.post(form), taken }
    }
}

impl Pages {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn route(self, path: &str, methods: Methods) -> Self {
        let Self { router, mut places } = self;
        let Methods { router: answering, taken } = methods;
        places.extend(taken.into_iter().map(|method| Place { method, path: path.to_owned() }));
        Self { router: router.route(path, answering), places }
    }

    pub(super) fn merge(self, others: Self) -> Self {
        let Self { router, mut places } = self;
        places.extend(others.places);
        Self { router: router.merge(others.router), places }
    }

    /// Others below a path; what they have at `/` is at that path itself.
    pub(super) fn nest(self, path: &str, others: Self) -> Self {
        let Self { router, mut places } = self;
        places.extend(others.places.into_iter().map(|place| place.below(path)));
        Self { router: router.nest(path, others.router), places }
    }

    /// What serves them.
    pub(super) fn into_router(self) -> Router<App> {
        self.router
    }

    /// Where they are.
    pub(super) fn into_places(self) -> Vec<Place> {
        self.places
    }
}

impl Place {
    /// The same place, of pages that are nested below a path.
    pub(super) fn below(self, path: &str) -> Self {
        let own = if self.path == "/" { "" } else { &self.path };
        Self { path: format!("{path}{own}"), method: self.method }
    }

    /// A place for each word that can stand for a name; the same place, if the name is not in its path.
    pub(super) fn with(self, name: &str, words: impl Iterator<Item = &'static str>) -> Vec<Self> {
        if !self.path.contains(name) {
            return vec![self];
        }
        words.map(|word| Self { path: self.path.replace(name, word), method: self.method.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_each_place_as_it_is_reached() {
        let both = || get(async || "").post(async || "");
        let inner = Pages::new().route("/", get(async || "")).route("/{deed}", both());
        let pages = Pages::new().route("/out", post(async || "")).nest("/{tenant_id}", inner);
        let places = pages.into_places().into_iter();
        let places = places.flat_map(|place| place.with("{deed}", ["block", "revoke"].into_iter()));
        let told: Vec<_> = places.map(|at| format!("{} {}", at.method, at.path)).collect();
        let expected = [
            "POST /out",
            "GET /{tenant_id}",
            "GET /{tenant_id}/block",
            "GET /{tenant_id}/revoke",
            "POST /{tenant_id}/block",
            "POST /{tenant_id}/revoke",
        ];
        assert_eq!(told, expected);
    }
}
