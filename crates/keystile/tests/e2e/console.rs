//! Pages of the console, as a browser without scripts sees them.

use keystile_testkit::http::{Answer, Http};

use crate::tenancy::PASSWORD;
use crate::world::World;

/// A browser in which somebody is signed in.
#[derive(Clone)]
pub(crate) struct Browser {
    http: Http,
    origin: String,
    /// The path of the tenant's pages.
    home: String,
    cookie: String,
    form_token: String,
}

impl Browser {
    /// That of the owner.
    pub(crate) async fn of_owner(world: &World) -> Self {
        Self::signed_in(world, &world.credentials.email, &world.credentials.password).await
    }

    /// That of somebody who is invited with this role.
    pub(crate) async fn of_member(world: &World, role: &str) -> Self {
        let email = format!("{role}@example.com");
        world.member(&email, role).await;
        Self::signed_in(world, &email, PASSWORD).await
    }

    async fn signed_in(world: &World, email: &str, password: &str) -> Self {
        let mut browser = Self {
            http: world.http.clone(),
            origin: format!("http://{}", world.server.address()),
            home: format!("/console/{}", world.credentials.tenant_id),
            cookie: String::new(),
            form_token: String::new(),
        };
        browser.sign_in(email, password).await;
        browser
    }

    /// Signs in, whoever is signed in already.
    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) {
        let answer = self.send("/console/sign-in", &[("email", email), ("password", password)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.header("set-cookie").split(';').next().unwrap().clone_into(&mut self.cookie);
        let page = self.page("keys").await;
        between(&page, "name=\"form_token\" value=\"", "\"").clone_into(&mut self.form_token);
    }

    /// Opens a page, below the tenant or from `/` on.
    pub(crate) async fn open(&self, page: &str) -> Answer {
        let request = self.http.request("GET", &self.path(page)).header("cookie", &self.cookie);
        self.http.send(request.header("accept-encoding", "identity"), "").await
    }

    /// The text of a page that is there.
    pub(crate) async fn page(&self, page: &str) -> String {
        let answer = self.open(page).await;
        assert_eq!(answer.status, 200, "{page}: {}", answer.text);
        answer.text
    }

    /// The name that the form of a page was given when it was shown.
    pub(crate) async fn form_name(&self, page: &str) -> String {
        form_name(&self.page(page).await).to_owned()
    }

    /// Sends a form from a page of the console.
    pub(crate) async fn submit(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(page, &[fields, &[("form_token", &self.form_token)]].concat()).await
    }

    /// The same, of a browser that takes compressed answers, to a page that must not be compressed.
    pub(crate) async fn submit_for_secret(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [fields, &[("form_token", &self.form_token)]].concat();
        self.send_taking("gzip", &self.origin, page, &fields).await
    }

    /// Sends a form that does not say where it comes from.
    pub(crate) async fn submit_without_token(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(page, fields).await
    }

    /// Sends a form with everything that ours have, from a page of another site.
    pub(crate) async fn submit_from_elsewhere(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [fields, &[("form_token", &self.form_token)]].concat();
        self.send_from("https://elsewhere.example.com", page, &fields).await
    }

    async fn send(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_from(&self.origin, page, fields).await
    }

    async fn send_from(&self, origin: &str, page: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_taking("identity", origin, page, fields).await
    }

    async fn send_taking(&self, encoding: &str, origin: &str, page: &str, fields: &[(&str, &str)]) -> Answer {
        let form: Vec<_> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let request = self.http.request("POST", &self.path(page)).header("origin", origin);
        let request = request.header("cookie", &self.cookie).header("accept-encoding", encoding);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.http.send(request, form.join("&")).await
    }

    fn path(&self, page: &str) -> String {
        if page.starts_with('/') { page.to_owned() } else { format!("{}/{page}", self.home) }
    }
}

/// The name of the form that a page shows.
#[track_caller]
pub(crate) fn form_name(page: &str) -> &str {
    between(page, "name=\"form_name\" value=\"", "\"")
}

/// What stands between two texts.
#[track_caller]
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.map_or_else(|| panic!("no {before}…{after} in {text}"), |(found, _)| found)
}

/// A text as it stands in a form.
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
