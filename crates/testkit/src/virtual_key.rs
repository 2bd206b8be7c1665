//! Whoever has a key for language models, and asks the gateway with it.

use serde_json::{Value, json};

use crate::http::{Answer, Http, NOTHING, Streamed};

/// The version that requests in Anthropic's shape name.
pub const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A key of kind `virtual_llm`, and the server that knows it.
#[derive(Debug, Clone)]
pub struct VirtualKey {
    /// Its id.
    pub id: String,
    secret: String,
    http: Http,
}

impl VirtualKey {
    /// A key with its secret, as it was made.
    pub fn new(http: &Http, id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secret: secret.to_owned(), http: http.clone() }
    }

    /// The same key at another address, such as after a restart.
    #[must_use]
    pub fn at(&self, http: &Http) -> Self {
        Self { http: http.clone(), ..self.clone() }
    }

    /// Its secret.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Reads a path.
    pub async fn read(&self, path: &str) -> Answer {
        self.http.json("GET", path, &self.bearer(), &NOTHING).await
    }

    /// Posts JSON to a path, as clients of OpenAI do.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.http.json("POST", path, &self.bearer(), body).await
    }

    /// The same, when there may be no answer.
    ///
    /// # Errors
    /// When there is none, or it breaks off.
    pub async fn try_post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        self.http.try_json("POST", path, &self.bearer(), body).await
    }

    /// Asks for a chat; `more` are further members of the body.
    pub async fn chat(&self, model: &str, more: &Value) -> Answer {
        self.post("/v1/chat/completions", &chat(model, more)).await
    }

    /// Asks for a chat that is streamed, and reads its head.
    pub async fn stream(&self, model: &str, more: &Value) -> Streamed {
        let mut body = chat(model, more);
        body["stream"] = true.into();
        self.open("/v1/chat/completions", &body).await
    }

    /// Posts JSON to a path, and reads the head of the answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn open(&self, path: &str, body: &Value) -> Streamed {
        self.try_open(path, body).await.unwrap()
    }

    /// The same, when there may be no answer.
    ///
    /// # Errors
    /// When there is none.
    pub async fn try_open(&self, path: &str, body: &Value) -> Result<Streamed, String> {
        let request = self.http.request("POST", path).header("authorization", self.bearer());
        let request = request.header("content-type", "application/json");
        self.http.try_open(request, body.to_string().into()).await
    }

    /// Posts JSON to a path, as clients of Anthropic do.
    pub async fn anthropic(&self, path: &str, body: &Value) -> Answer {
        let request = self.http.request("POST", path).header("x-api-key", &self.secret);
        let request = request.header("anthropic-version", ANTHROPIC_VERSION);
        self.http.send(request.header("content-type", "application/json"), body.to_string()).await
    }

    /// Posts a form with a file to a path.
    pub async fn upload(&self, path: &str, fields: &[(&str, &str)], file: &str, bytes: &[u8]) -> Answer {
        const BOUNDARY: &str = "a-boundary-that-no-file-has";
        let mut form = Vec::new();
        for (name, value) in fields {
            let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            form.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        let named = format!("Content-Disposition: form-data; name=\"{file}\"; filename=\"{file}.bin\"");
        let head = format!("--{BOUNDARY}\r\n{named}\r\nContent-Type: application/octet-stream\r\n\r\n");
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(bytes);
        form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let request = self.http.request("POST", path).header("authorization", self.bearer());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.http.send(request.header("content-type", content_type), form).await
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.secret)
    }
}

/// The body of a chat with one short message; `more` are further members, and may replace the others.
///
/// # Panics
/// When `more` is no object.
pub fn chat(model: &str, more: &Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "How is the sea?" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The body of a message with one short text, in Anthropic's shape; `more` as with [`chat`].
///
/// # Panics
/// When `more` is no object.
pub fn message(model: &str, more: &Value) -> Value {
    let mut body = chat(model, &json!({ "max_tokens": 8 }));
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}
