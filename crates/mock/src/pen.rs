//! Writes a stream frame by frame, as slowly and as badly as it was asked to.

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::behaviour::Behaviour;
use crate::body::{Body, Cut};
use crate::fault;
use crate::routes::Shape;

/// Frames that wait for the connection: one, so that what is billed keeps step with what is read.
const WAITING: usize = 1;

/// The stream has ended before its end: it was cut, or nobody reads any more.
#[derive(Debug)]
pub(crate) struct Ended;

/// Writes one stream.
pub(crate) struct Pen {
    frames: mpsc::Sender<Result<Bytes, Cut>>,
    resumed: watch::Receiver<u64>,
    behaviour: Behaviour,
    shape: Shape,
    sent: u64,
}

impl Pen {
    pub(crate) fn new(behaviour: Behaviour, shape: Shape, resumed: watch::Receiver<u64>) -> (Self, Body) {
        let (frames, body) = mpsc::channel(WAITING);
        (Self { frames, resumed, behaviour, shape, sent: 0 }, Body::Streamed(body))
    }

    /// Writes an event without a name: its JSON, or a word.
    pub(crate) async fn put(&mut self, told: &Value) -> Result<(), Ended> {
        self.write(format!("data: {told}\n\n")).await
    }

    /// Writes an event that carries its own type as its name, too.
    pub(crate) async fn put_named(&mut self, told: &Value) -> Result<(), Ended> {
        let name = told["type"].as_str().unwrap_or_default();
        self.write(format!("event: {name}\ndata: {told}\n\n")).await
    }

    /// Writes what ends a stream of OpenAI's.
    pub(crate) async fn done(&mut self) -> Result<(), Ended> {
        self.write("data: [DONE]\n\n".to_owned()).await
    }

    async fn write(&mut self, frame: String) -> Result<(), Ended> {
        if self.sent > 0 {
            self.pause().await?;
        }
        if self.behaviour.stall == Some(self.sent) {
            self.stall().await?;
        }
        if self.behaviour.cut == Some(self.sent) {
            // Whether there is still somebody to see it does not matter.
            let _cut = self.frames.send(Err(Cut)).await;
            return Err(Ended);
        }
        if self.behaviour.error_after == Some(self.sent) {
            let _told = self.frames.send(Ok(fault::frame(self.shape).into())).await;
            return Err(Ended);
        }
        if self.sent == 1
            && let Some(characters) = self.behaviour.flood
        {
            self.send(flood(self.shape, characters)).await?;
        }
        self.sent += 1;
        self.send(frame).await
    }

    async fn send(&self, frame: String) -> Result<(), Ended> {
        self.frames.send(Ok(frame.into())).await.map_err(|_| Ended)
    }

    async fn pause(&self) -> Result<(), Ended> {
        let Some(pause) = self.behaviour.slow else { return Ok(()) };
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.frames.closed() => Err(Ended),
        }
    }

    /// Waits until it is told to go on. Who was told since the stream began does not wait.
    async fn stall(&mut self) -> Result<(), Ended> {
        tokio::select! {
            told = self.resumed.changed() => told.map_err(|_| Ended),
            () = self.frames.closed() => Err(Ended),
        }
    }
}

/// A frame that nobody should have to keep.
fn flood(shape: Shape, characters: usize) -> String {
    let text = "x".repeat(characters);
    match shape {
        Shape::OpenAi => format!("data: {{\"choices\":[],\"padding\":\"{text}\"}}\n\n"),
        Shape::Anthropic => format!("event: ping\ndata: {{\"type\":\"ping\",\"padding\":\"{text}\"}}\n\n"),
    }
}
