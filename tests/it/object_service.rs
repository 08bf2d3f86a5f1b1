//! An S3 service for tests, here and in `genims-backup`: `s3s`, which checks every signature, on a folder whose folders are buckets. In: a
//! folder, and what is to go wrong. Out: an address. It ends with its handle.

use futures_util::{Stream, StreamExt};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::stream::{ByteStream, DynByteStream, RemainingLength};
use s3s::{Body, HttpError};
use s3s_fs::FileSystem;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) const KEY: &str = "AKIATESTTESTTESTTEST";
pub(crate) const SECRET: &str = "not/known+to+anybody/else";

/// What goes wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// As a service says that it is busy.
    Refused,
    /// The connection breaks within the answer's body.
    Cut,
}

pub(crate) struct ObjectService {
    /// For AWS_ENDPOINT_URL.
    pub(crate) url: String,
    _runtime: Runtime,
}

/// `trouble` is asked of each request, by its method and path.
pub(crate) fn serve(
    folder: &Path,
    trouble: impl Fn(&Method, &str) -> Option<Trouble> + Send + Sync + 'static,
) -> ObjectService {
    let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).expect("a folder"));
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let (service, trouble) = (builder.build(), Arc::new(trouble));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (service, trouble) = (service.clone(), trouble.clone());
            let answered = service_fn(move |request: Request<Incoming>| {
                let trouble = trouble(request.method(), request.uri().path());
                answer(service.clone(), trouble, request)
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answered));
        }
    });
    ObjectService { url, _runtime: runtime }
}

async fn answer(
    service: S3Service,
    trouble: Option<Trouble>,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    if trouble == Some(Trouble::Refused) {
        let body = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>".to_owned();
        let mut refused = Response::new(Body::from(body));
        *refused.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
        return Ok(refused);
    }
    let answer = service.call(request.map(Body::from)).await?;
    if trouble != Some(Trouble::Cut) {
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let length = parts.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let first = pin!(body).next().await.and_then(Result::ok).unwrap_or_default();
    let cut = CutBody { first: first.slice(..first.len() / 2), polled: 0, length: length.unwrap_or_default() };
    let cut: DynByteStream = Box::pin(cut);
    Ok(Response::from_parts(parts, Body::from(cut)))
}

/// Promises all, and breaks off.
struct CutBody {
    first: Bytes,
    polled: u32,
    length: usize,
}

impl Stream for CutBody {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync + 'static>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.polled += 1;
        match self.polled {
            1 => Poll::Ready(Some(Ok(self.first.clone()))),
            // What it has is sent meanwhile.
            2 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Some(Err("cut".into()))),
        }
    }
}

impl ByteStream for CutBody {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.length)
    }
}
