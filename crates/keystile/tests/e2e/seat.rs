//! A browser's side of the wire, for tests that say themselves what is sent: sessions, form tokens and origins that are
//! missing, foreign or good.

use keystile_testkit::http::{Answer, Http};

use crate::console::{between, encoded};

/// Before a browser, in which somebody is signed in or nobody.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) http: Http,
    /// Where the server is, as browsers tell it with a form.
    pub(crate) origin: String,
    /// `name=value` of the session, or nothing.
    pub(crate) cookie: String,
    /// What the forms of the session carry, or nothing.
    pub(crate) form_token: String,
}

impl Seat {
    /// With nobody signed in, before the server at an address such as `127.0.0.1:7878`.
    pub(crate) fn empty(http: &Http, address: &str) -> Self {
        let (http, origin) = (http.clone(), format!("http://{address}"));
        Self { http, origin, cookie: String::new(), form_token: String::new() }
    }

    /// The same, with somebody signed in.
    pub(crate) async fn signed_in(&self, email: &str, password: &str) -> Self {
        let empty = Self::empty(&self.http, self.origin.trim_start_matches("http://"));
        let fields = [("email", email), ("password", password)];
        let answer = empty.send("/console/sign-in", &fields).await;
        empty.given(&answer).await
    }

    /// The same, with the session that an answer gives.
    pub(crate) async fn given(&self, answer: &Answer) -> Self {
        assert_eq!(answer.status, 303, "{}", answer.text);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let seat = Self { cookie, ..self.clone() };
        let account = seat.open("/console/account").await;
        let form_token = between(&account.text, "name=\"form_token\" value=\"", "\"").to_owned();
        Self { form_token, ..seat }
    }

    /// The token that the session is.
    pub(crate) fn session(&self) -> &str {
        self.cookie.split_once('=').unwrap().1
    }

    /// Opens a page.
    pub(crate) async fn open(&self, path: &str) -> Answer {
        self.request("GET", path, &[("cookie", &self.cookie)], &[]).await
    }

    /// Sends a form as a page of ours does.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [fields, &[("form_token", &self.form_token)]].concat();
        self.request("POST", path, &[("cookie", &self.cookie), ("origin", &self.origin)], &fields).await
    }

    /// Opens a page, or sends a form without any field of its own.
    pub(crate) async fn visit(&self, method: &str, path: &str) -> Answer {
        if method == "GET" { self.open(path).await } else { self.send(path, &[]).await }
    }

    /// Sends these headers, but for those that are empty, and this form.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.http.request(method, path);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        if method == "GET" {
            return self.http.send(request, "").await;
        }
        let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
        let form: Vec<_> = fields.iter().map(pair).collect();
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.http.send(request, form.join("&")).await
    }
}
