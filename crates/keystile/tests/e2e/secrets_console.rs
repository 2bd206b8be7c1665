//! No secret of the console is anywhere but in the one answer that shows it: not in files, logs, metrics or traces, not in
//! the export of the audit log, and in no other answer.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keystile_testkit::authenticator;
use keystile_testkit::collector::Collector;
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::postgres::Postgres;
use keystile_testkit::server::{Plan, Server};

use crate::canaries::{Canaries, without};
use crate::console::{between, encoded};
use crate::seat::Seat;
use crate::second_factor::code;
use crate::set_up::token;
use crate::world::{KEYSTILE, as_key, text};

const OWNER: &str = "ada@example.com";
const MEMBER: &str = "bob@example.com";
/// Each is typed where a password belongs.
const PASSWORDS: [&str; 4] = [
    "rusty-otter-41-lamp-first",
    "rusty-otter-41-lamp-second",
    "rusty-otter-41-lamp-third",
    "rusty-otter-41-lamp-fourth",
];
/// Brought by people, with all that has to be written otherwise in a page, a form or a file.
const BROUGHT: [&str; 3] =
    ["7h'Q&vX2<mLp>R9\"wKzB4nYc/J8dH$s", "Zk3v9Qp1xT/aB7cD4ef5G/hJ6kL8mN0pQ", "q4-Tz8.Rb1_Wn6-Xc3.Vm9_Kp5"];
/// Breaks a rule, and was a secret all the same.
const WEAK: &str = "passwordpasswordpassword";

/// A server from its first start on, its owner's browser, and what was answered.
struct Visit {
    server: Server,
    seat: Seat,
    /// The path of the tenant's pages.
    home: String,
    secrets: Canaries,
    /// What forms carry stands in every page of its session, and nowhere else.
    form_tokens: Canaries,
    /// Each with where it is of, and without the secrets that it is there to show.
    answers: Vec<(String, String)>,
    collector: Collector,
}

impl Visit {
    /// Starts a server that nobody has set up, and makes it somebody's.
    async fn first(plan: Plan) -> Self {
        let collector = Collector::start();
        let plan = plan.flag("--log", "trace").flag("--operations-listen", "127.0.0.1:0");
        let plan = plan.flag("--otlp-endpoint", &collector.endpoint()).flag("--trace-ratio", "1");
        let server = plan.start();
        let seat = Seat::empty(&server.http(), server.address());
        let (secrets, form_tokens) = (Canaries::default(), Canaries::default());
        let (home, answers) = (String::new(), Vec::new());
        let mut visit = Self { server, seat, home, secrets, form_tokens, answers, collector };
        visit.set_up().await;
        visit
    }

    /// Opens a page that shows no secret.
    async fn open(&mut self, path: &str) -> Answer {
        let answer = self.seat.open(path).await;
        self.keep(path, &answer, &[]);
        answer
    }

    /// Sends a form whose answer shows no secret.
    async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.seat.send(path, fields).await;
        self.keep(path, &answer, &[]);
        answer
    }

    /// Sends a form whose answer shows a secret, between two texts; it shows no other.
    async fn learn_from(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        (before, after): (&str, &str),
    ) -> String {
        let answer = self.seat.send(path, fields).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let shown = unescaped(between(&answer.text, before, after));
        self.learn(&shown);
        self.keep(path, &answer, std::slice::from_ref(&shown));
        shown
    }

    fn learn(&mut self, secret: &str) {
        self.secrets.learn(secret);
    }

    fn keep(&mut self, path: &str, answer: &Answer, shown: &[String]) {
        assert!(answer.status < 500, "{path}: {}", answer.text);
        let whole = format!("{:?}\n{}", answer.headers, answer.text);
        self.answers.push((path.to_owned(), without(&whole, shown)));
    }

    /// Takes the session that an answer gives.
    async fn enter(&mut self, path: &str, answer: &Answer) {
        let seat = self.seat.given(answer).await;
        self.learn(seat.session());
        self.keep(path, answer, &[seat.session().to_owned()]);
        self.form_tokens.learn(&seat.form_token);
        self.seat = seat;
    }

    /// Starts the server again, with the same people before it.
    fn restart(&mut self) {
        self.server.restart();
        let (http, origin) = (self.server.http(), format!("http://{}", self.server.address()));
        self.seat = Seat { http, origin, ..self.seat.clone() };
    }

    /// The link of the first start, a wrong one, and passwords that break a rule and that do not.
    async fn set_up(&mut self) {
        let (path, link) = ("/console/setup", token(&self.server));
        let wrong = format!("kssetup_{}", "5f".repeat(32));
        for secret in [link.as_str(), &wrong, WEAK, PASSWORDS[0]] {
            self.learn(secret);
        }
        self.open(path).await;
        for (token, password) in [(&wrong, PASSWORDS[0]), (&link, WEAK)] {
            let fields = [("token", token.as_str()), ("email", OWNER), ("password", password)];
            assert_eq!(self.send(path, &fields).await.status, 422);
        }
        let fields = [("token", link.as_str()), ("email", OWNER), ("password", PASSWORDS[0])];
        let made = self.seat.send(path, &fields).await;
        self.enter(path, &made).await;
        self.home = made.header("location").split('?').next().unwrap().to_owned();
        self.send(path, &fields).await;
    }

    /// Makes keys, brings secrets, and renews both; uses each.
    async fn keys(&mut self) {
        let home = self.home.clone();
        let shown = ("<code id=\"new-secret\">", "</code>");
        let new = format!("{home}/keys/new");
        let fields = [("name", "Made, to be found"), ("kind", "service"), ("expiry", "never")];
        let made = self.learn_from(&new, &fields, shown).await;
        for secret in BROUGHT {
            self.learn(secret);
        }
        let mut newest = String::new();
        for (secret, status) in [(WEAK, 422), (BROUGHT[0], 200), (BROUGHT[0], 422)] {
            let fields = [&fields[..], &[("secret", secret)]].concat();
            let answer = self.seat.send(&new, &fields).await;
            assert_eq!(answer.status, status, "{}", answer.text);
            let own = if status == 200 { vec![secret.to_owned()] } else { Vec::new() };
            self.keep(&new, &answer, &own);
            if status == 200 {
                newest = format!("{home}/keys/key_{}", between(&answer.text, "/keys/key_", "\""));
            }
        }
        self.open(&newest).await;
        let (rotate, regenerate) = (format!("{newest}/rotate"), format!("{newest}/regenerate"));
        let rotation = [("version", "1"), ("overlap_seconds", "3600"), ("secret", WEAK)];
        assert_eq!(self.send(&rotate, &rotation).await.status, 422);
        let rotation = [("version", "1"), ("overlap_seconds", "3600"), ("secret", BROUGHT[1])];
        assert_eq!(self.learn_from(&rotate, &rotation, shown).await, BROUGHT[1]);
        let renewed = self.learn_from(&regenerate, &[("version", "2")], shown).await;
        let renewal = [("version", "3"), ("secret", BROUGHT[2])];
        assert_eq!(self.learn_from(&regenerate, &renewal, shown).await, BROUGHT[2]);
        for path in [&newest, &rotate, &regenerate, &format!("{home}/keys"), &home] {
            self.open(path).await;
        }
        let http = self.server.http();
        for (secret, status) in
            [(made.as_str(), 200), (BROUGHT[0], 401), (BROUGHT[1], 200), (&renewed, 401), (BROUGHT[2], 200)]
        {
            let answer = http.json("GET", "/api/v1/whoami", &as_key(secret), &NOTHING).await;
            assert_eq!(answer.status, status, "{secret}: {}", answer.text);
            self.keep("whoami", &answer, &[]);
        }
    }

    /// Makes a webhook and gives it another secret. It is told of nothing that happens here, and leads to nobody.
    async fn webhooks(&mut self) {
        let home = self.home.clone();
        let (new, shown) = (format!("{home}/webhooks/new"), ("<code id=\"new-secret\">", "</code>"));
        let fields = [("url", "https://keystile.invalid/hooks"), ("events", "leak.reported")];
        let first = self.learn_from(&new, &fields, shown).await;
        let list = format!("{home}/webhooks");
        let listed = self.open(&list).await;
        let page = format!("{list}/hook_{}", between(&listed.text, "/webhooks/hook_", "\""));
        let second = self.learn_from(&format!("{page}/rotate"), &[("overlap_seconds", "86400")], shown).await;
        for secret in [first, second] {
            let bytes = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
            self.secrets.learn_bytes(bytes);
        }
        for what in ["", "/edit", "/rotate", "/delete"] {
            self.open(&format!("{page}{what}")).await;
        }
        let wrong = [("url", "https://10.0.0.1/"), ("version", "1")];
        assert_eq!(self.send(&format!("{page}/edit"), &wrong).await.status, 422);
    }

    /// Invites two, of whom one comes and gets a link for a new password later.
    async fn links(&mut self) {
        let home = self.home.clone();
        let (invite, shown) = (format!("{home}/members/invite"), ("<code id=\"link\">", "</code>"));
        let mut tokens = Vec::new();
        for email in [MEMBER, "eve@example.com"] {
            let fields = [("email", email), ("role", "viewer")];
            let link = self.learn_from(&invite, &fields, shown).await;
            let (page, token) = link.split_once('#').unwrap();
            assert!(page.ends_with("/console/invitation") && token.starts_with("ksinv_"), "{link}");
            self.learn(token);
            tokens.push(token.to_owned());
        }
        self.learn(PASSWORDS[1]);
        let nobody = Seat::empty(&self.server.http(), self.server.address());
        let (path, token) = ("/console/invitation", tokens[0].as_str());
        for (path, fields) in [
            ("/console/invitation/look", vec![("token", token)]),
            (path, vec![("token", token), ("password", WEAK)]),
            (path, vec![("token", tokens[1].as_str())]),
        ] {
            let answer = nobody.send(path, &fields).await;
            self.keep(path, &answer, &[]);
        }
        let owner = std::mem::replace(&mut self.seat, nobody.clone());
        let joined = nobody.send(path, &[("token", token), ("password", PASSWORDS[1])]).await;
        self.enter(path, &joined).await;
        let member = std::mem::replace(&mut self.seat, owner);

        let invitations = self.open(&format!("{home}/members/invitations")).await;
        let eve = between(&invitations.text, "/members/invitations/inv_", "/withdraw");
        self.send(&format!("{home}/members/invitations/inv_{eve}/withdraw"), &[]).await;
        let members = self.open(&format!("{home}/members")).await;
        let (before, _) = members.text.split_once("/reset\"").unwrap();
        let path = format!("{home}/members/{}/reset", before.rsplit('/').next().unwrap());
        let link = self.learn_from(&path, &[], shown).await;
        let (page, token) = link.split_once('#').unwrap();
        assert!(page.ends_with("/console/reset"), "{link}");
        self.learn(token);
        self.learn(PASSWORDS[2]);
        for password in [WEAK, PASSWORDS[2], PASSWORDS[2]] {
            let fields = [("token", token), ("new_password", password)];
            let answer = nobody.send("/console/reset", &fields).await;
            self.keep("/console/reset", &answer, &[]);
        }
        let answer = member.open("/console/account").await;
        assert_eq!(answer.status, 303, "the session has ended with the password");
        self.keep("an ended session", &answer, &[]);
    }

    /// Signs in and out, changes the password, and has a second factor for a while.
    async fn account(&mut self) {
        let password = "/console/account/password";
        self.learn(PASSWORDS[3]);
        for (current, new, status) in
            [(PASSWORDS[1], PASSWORDS[3], 422), (PASSWORDS[0], WEAK, 422), (PASSWORDS[0], PASSWORDS[3], 303)]
        {
            let fields = [("current_password", current), ("new_password", new)];
            assert_eq!(self.send(password, &fields).await.status, status);
        }
        let (enrol, confirm) = ("/console/account/second-factor", "/console/account/second-factor/confirm");
        let shown = ("<code id=\"totp-secret\">", "</code>");
        let grouped = self.learn_from(enrol, &[("password", PASSWORDS[3])], shown).await;
        let secret = grouped.replace(' ', "");
        self.learn(&secret);
        self.secrets.learn_bytes(authenticator::bytes(&secret));
        assert_eq!(self.send(confirm, &[("code", "12345")]).await.status, 422);
        let answer = self.seat.send(confirm, &[("code", &code(&secret, 0))]).await;
        let codes: Vec<_> =
            between(&answer.text, "id=\"recovery-codes\">", "</pre>").split_whitespace().collect();
        let codes: Vec<_> = codes.into_iter().map(str::to_owned).collect();
        assert_eq!(codes.len(), 10, "{}", answer.text);
        for code in &codes {
            self.learn(code);
        }
        self.keep(confirm, &answer, &codes);
        self.open(enrol).await;
        self.send("/console/sign-out", &[]).await;
        let path = "/console/sign-in";
        let (email, typed) = (("email", OWNER), ("password", PASSWORDS[3]));
        for code in ["", "000000", "no-such-code-at-all"] {
            self.send(path, &[email, typed, ("code", code)]).await;
        }
        let entered = self.seat.send(path, &[email, typed, ("code", &codes[0])]).await;
        self.enter(path, &entered).await;
        let remove = "/console/account/second-factor/remove";
        for (code, status) in [(&codes[0], 422), (&codes[1], 303)] {
            assert_eq!(self.send(remove, &[typed, ("code", code)]).await.status, status);
        }
    }

    /// Has a token lent for the playground, and uses it.
    async fn playground(&mut self) {
        let path = format!("{}/playground/token", self.home);
        let lent = self.learn_from(&path, &[], ("\"access_token\":\"", "\"")).await;
        let me = self.server.http().json("GET", "/api/v1/auth/me", &format!("Bearer {lent}"), &NOTHING).await;
        assert_eq!(text(&me.json, "email"), OWNER);
        self.keep("me", &me, &[]);
        self.open(&format!("{}/playground/create_key", self.home)).await;
    }

    /// Puts secrets where none belongs. What shows what was typed is not kept; what is logged of it is searched.
    async fn bad_places(&mut self) {
        let home = self.home.clone();
        // What consists of words like a name is told as one, where a name is wrong.
        let secrets = self.secrets.all().iter().filter(|secret| *secret != WEAK);
        for secret in secrets.cloned().collect::<Vec<_>>() {
            let (secret, url) = (secret.as_str(), encoded(&secret));
            for path in [
                format!("/console/{url}"),
                format!("{home}/{url}"),
                format!("{home}/keys/{url}"),
                format!("{home}/keys/{url}/revoke"),
                format!("{home}/keys?told={url}"),
                format!("/console/assets/{url}/console.css"),
                format!("/console/sign-in?told={url}"),
                format!("{home}/keys?{url}=1"),
            ] {
                self.open(&path).await;
            }
            for path in [
                format!("{home}/keys?q={url}"),
                format!("{home}/audit?from={url}"),
                format!("/console/sign-in?next=/console/{url}"),
            ] {
                let _echoes = self.seat.open(&path).await;
            }
            let (nobody, origin) =
                (Seat { cookie: String::new(), ..self.seat.clone() }, self.seat.origin.clone());
            let _leads_back = nobody.open(&format!("{home}/{url}")).await;
            for (name, value) in [
                ("cookie", format!("keystile={secret}")),
                ("cookie", format!("keystile-theme={secret}; {}", self.seat.cookie)),
                ("referer", format!("{origin}/console/reset#{secret}")),
                ("origin", secret.to_owned()),
                ("hx-current-url", format!("{origin}/console/setup#{secret}")),
            ] {
                let answer = self.seat.request("GET", &format!("{home}/keys"), &[(name, &value)], &[]).await;
                self.keep(name, &answer, &[]);
            }
            self.bad_forms(secret).await;
        }
        let http2 = Http::http2(self.server.address());
        // As a browser has it over TLS, which ends at a proxy that speaks HTTP/2.
        let cookie = format!("__Host-{}", self.seat.cookie);
        let request = http2.request("GET", &format!("{home}/keys")).header("cookie", cookie);
        let answer = http2.send(request, "").await;
        assert_eq!(answer.status, 200);
        self.keep("HTTP/2", &answer, &[]);
    }

    /// Sends a secret with forms, in fields that are for another, or for nothing.
    async fn bad_forms(&mut self, secret: &str) {
        let home = self.home.clone();
        for (path, fields) in [
            ("/console/invitation", vec![("token", secret), ("password", secret)]),
            ("/console/invitation/look", vec![("token", secret)]),
            ("/console/reset", vec![("token", secret), ("new_password", secret)]),
            ("/console/setup", vec![("token", secret), ("password", secret)]),
            (
                "/console/sign-in",
                vec![("email", "nobody@example.com"), ("password", secret), ("code", secret)],
            ),
            (&format!("{home}/keys/bulk"), vec![("action", secret), ("id", secret)]),
            (&format!("{home}/keys/new"), vec![(secret, "1"), ("secret", secret)]),
            (&format!("{home}/audit/check"), vec![("form_token", secret)]),
        ] {
            self.send(path, &fields).await;
        }
        let mut typed = vec![("name", secret), ("environment", secret), ("rpm_limit", secret)];
        typed.extend([("expiry", secret), ("kind", secret), ("metadata", secret), ("allowed_ips", secret)]);
        let _echoes = self.seat.send(&format!("{home}/keys/new"), &typed).await;
        let _echoes = self.seat.send(&format!("{home}/audit/check"), &[("head", secret)]).await;
    }

    /// Searches what is told beside pages: the log of changes, metrics and traces.
    async fn what_is_told_is_clean(&mut self) {
        let export = self.open(&format!("{}/audit/export", self.home)).await;
        for action in
            ["key.regenerate", "session.start", "totp.confirm", "membership.create", "webhook.rotate"]
        {
            assert!(export.text.contains(action), "no {action} in {}", export.text);
        }
        let metrics = self.server.operations().json("GET", "/metrics", "", &NOTHING).await;
        let route = "route=\"/console/{tenant_id}/keys/bulk\"";
        assert!(metrics.text.contains(route), "{}", metrics.text);
        self.keep("the metrics", &metrics, &[]);
        self.restart();
        let spans = self.collector.spans();
        assert!(spans.iter().any(|span| span.name == "POST /console/sign-in"), "{spans:#?}");
        self.answers.push(("the traces".to_owned(), format!("{spans:?}")));
        for (place, content) in &self.answers {
            self.secrets.are_not_in(place, content.as_bytes());
        }
        for (place, content) in &self.answers {
            // A page has them in its forms, and behind its headers.
            let told = if content.contains("<html") { content.split('\n').next().unwrap() } else { content };
            self.form_tokens.are_not_in(place, told.as_bytes());
        }
        assert!(self.answers.len() > 500, "{}", self.answers.len());
    }

    /// Ends the server the hard way, after some more writing, and searches its files, however many there have to be.
    async fn files_are_clean(&mut self, least: usize) {
        let path = format!("{}/keys/new", self.home);
        let fields = [("name", "The last"), ("kind", "service"), ("expiry", "never")];
        self.learn_from(&path, &fields, ("<code id=\"new-secret\">", "</code>")).await;
        self.server.kill();
        let folder = self.server.plan().folder().to_owned();
        // The first start wrote its link there, and nothing else is written there by any.
        let first = folder.join("start-1.stdout");
        let written = fs::read_to_string(&first).unwrap();
        assert!(written.contains("/console/setup#kssetup_"), "{written}");
        for place in [&self.secrets, &self.form_tokens] {
            let files = place.are_not_below(&folder, &first);
            assert!(files >= least, "only {files} files were searched");
        }
        for start in ["start-1.stderr", "start-2.stderr"] {
            let log = fs::read_to_string(folder.join(start)).unwrap();
            assert!(
                log.contains("path=\"/console/ten_") && log.contains("TRACE"),
                "there was a log to search"
            );
        }
    }
}

/// A text as a page shows it.
fn unescaped(text: &str) -> String {
    let signs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    signs.iter().fold(text.to_owned(), |text, (written, sign)| text.replace(written, sign))
}

/// Lives through all that has secrets in the console, and searches what was answered and told.
async fn visited(plan: Plan) -> Visit {
    let mut visit = Visit::first(plan).await;
    visit.keys().await;
    visit.webhooks().await;
    visit.links().await;
    visit.account().await;
    visit.playground().await;
    visit.restart();
    visit.bad_places().await;
    visit.what_is_told_is_clean().await;
    visit
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_console_is_in_files_logs_or_other_answers() {
    let mut visit = visited(Plan::serve(KEYSTILE)).await;
    let wal = visit.server.plan().data_dir().join("keystile.db-wal");
    assert!(wal.exists(), "the write-ahead log is searched, too");
    visit.files_are_clean(8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_console_is_in_the_tables_of_postgresql() {
    let database = Postgres::shared().database();
    let mut visit = visited(Plan::serve(KEYSTILE).flag("--database-url", &database.url())).await;
    visit.files_are_clean(6).await;
    let dump = database.dump().unwrap();
    for kept in ["COPY public.api_keys", "COPY public.sessions", "Made, to be found"] {
        assert!(dump.contains(kept), "no `{kept}` in what was searched");
    }
    for canaries in [&visit.secrets, &visit.form_tokens] {
        canaries.are_not_in_tables(&dump);
    }
}
