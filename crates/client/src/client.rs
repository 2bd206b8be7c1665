//! The client and its one way to send a request.

use std::fmt;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use keystile_core::{Secret, TenantId};
use keystile_wire::{TokenAnswer, TokenRequest};
use reqwest::redirect::Policy;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Address;
use crate::answer;
use crate::download::Download;
use crate::{ClientError, Credential};

/// Longest wait for a connection: more than any healthy network needs, and short for a person who waits.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a whole answer. Revoking waits on a server with many nodes until all of them know.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest a connection is kept without use: a server closes those that are silent for 30 seconds, and a request must not
/// be sent into one that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// A server's API, as one caller.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: Address,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// A client of the server at `base_url` (`https://keys.example.com`, with a path if the API is below one).
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Unsendable`] when the address or the credential cannot be one.
    pub fn new(base_url: &str, credential: &Credential) -> Result<Self, ClientError> {
        let authorization = Some(credential.to_header()?);
        Ok(Self { authorization, ..Self::anonymous(base_url)? })
    }

    /// Signs in with email address and password: a client with the token, and the answer that brought it. The token
    /// is for `tenant`, or for the person's first.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `wrong_credentials`, and any other [`ClientError`].
    pub async fn sign_in(
        base_url: &str,
        email: &str,
        password: Secret,
        tenant: Option<TenantId>,
    ) -> Result<(Self, TokenAnswer), ClientError> {
        let (email, tenant_id) = (email.to_owned(), tenant);
        let request = TokenRequest { email, password, tenant_id, code: None, recovery_code: None };
        Self::sign_in_with(base_url, &request).await
    }

    /// Signs in with all that a person may have to show, such as a second factor.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `wrong_credentials` or `second_factor_required`, and any other [`ClientError`].
    pub async fn sign_in_with(
        base_url: &str,
        request: &TokenRequest,
    ) -> Result<(Self, TokenAnswer), ClientError> {
        let nobody = Self::anonymous(base_url)?;
        let answer: TokenAnswer = nobody.post("/api/v1/auth/token", request).await?;
        let token = Credential::Token(Secret::new(answer.access_token.expose()));
        Ok((Self { authorization: Some(token.to_header()?), ..nobody }, answer))
    }

    /// The base URL, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.address.as_str()
    }

    /// Whether credentials and secrets would travel in plain text to another machine. To what is no address, nothing is sent.
    pub fn is_readable_on_the_way(base_url: &str) -> bool {
        Address::parse(base_url).is_ok_and(|address| address.is_readable_on_the_way())
    }

    pub(crate) fn anonymous(base_url: &str) -> Result<Self, ClientError> {
        let address = Address::parse(base_url)?;
        let builder = reqwest::Client::builder()
            .user_agent(concat!("keystile-client/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .timeout(ANSWER_TIMEOUT);
        // No proxy stands between this machine and itself.
        let builder = if address.is_loopback() { builder.no_proxy() } else { builder };
        let no_client = |_| ClientError::Unsendable("TLS cannot be set up on this machine".to_owned());
        Ok(Self { http: builder.build().map_err(no_client)?, address, authorization: None })
    }

    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        answer::read(self.send(self.request(Method::GET, path)).await?, self.base_url()).await
    }

    /// A GET with a filter.
    pub(crate) async fn get_with<A: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<A, ClientError> {
        self.get(&with_query(path, query)?).await
    }

    /// A GET with a filter, whose answer is text.
    pub(crate) async fn get_text(&self, path: &str, query: &impl Serialize) -> Result<String, ClientError> {
        let request = self.request(Method::GET, &with_query(path, query)?);
        answer::read_text(self.send(request).await?, self.base_url()).await
    }

    /// A GET whose answer is read while it comes.
    pub(crate) async fn download(
        &self,
        path: &str,
        query: &impl Serialize,
        within: Duration,
    ) -> Result<Download, ClientError> {
        let request = self.request(Method::GET, &with_query(path, query)?).timeout(within);
        answer::download(self.send(request).await?, self.base_url()).await
    }

    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, ClientError> {
        answer::read(self.send(self.request(Method::POST, path).json(body)).await?, self.base_url()).await
    }

    /// A POST that is answered without a body.
    pub(crate) async fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        let response = self.send(self.request(Method::POST, path).json(body)).await?;
        answer::read_nothing(response, self.base_url()).await
    }

    /// A POST of a form.
    pub(crate) async fn submit(
        &self,
        path: &str,
        form: &impl Serialize,
    ) -> Result<reqwest::Response, ClientError> {
        let form = serde_urlencoded::to_string(form)
            .map_err(|_| ClientError::Unsendable("the request cannot be written as a form".to_owned()))?;
        let request = self.request(Method::POST, path);
        self.send(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)).await
    }

    pub(crate) async fn patch<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, ClientError> {
        answer::read(self.send(self.request(Method::PATCH, path).json(body)).await?, self.base_url()).await
    }

    pub(crate) async fn put<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, ClientError> {
        answer::read(self.send(self.request(Method::PUT, path).json(body)).await?, self.base_url()).await
    }

    /// A POST that says all in its path.
    pub(crate) async fn command<A: DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        answer::read(self.send(self.request(Method::POST, path)).await?, self.base_url()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        answer::read_nothing(self.send(self.request(Method::DELETE, path)).await?, self.base_url()).await
    }

    /// A DELETE that takes a body, and is answered without one.
    pub(crate) async fn delete_with(&self, path: &str, body: &impl Serialize) -> Result<(), ClientError> {
        let response = self.send(self.request(Method::DELETE, path).json(body)).await?;
        answer::read_nothing(response, self.base_url()).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base_url()));
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }

    pub(crate) async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, ClientError> {
        request.send().await.map_err(|error| {
            let (url, source) = (self.base_url().to_owned(), error.without_url());
            if source.is_builder() {
                ClientError::Unsendable("the request cannot be written as JSON".to_owned())
            } else if source.is_connect() {
                ClientError::Unreachable { url, source }
            } else {
                ClientError::Interrupted { url, source }
            }
        })
    }
}

fn with_query(path: &str, query: &impl Serialize) -> Result<String, ClientError> {
    let query = serde_urlencoded::to_string(query)
        .map_err(|_| ClientError::Unsendable("the filter cannot be written into a URL".to_owned()))?;
    let separator = if query.is_empty() { "" } else { "?" };
    Ok(format!("{path}{separator}{query}"))
}

/// Tells where, never as whom.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}
