//! Receives what the relay posts to a webhook, and answers as a script says.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, Mac};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::wait;

/// A post as it arrived.
#[derive(Clone, Debug)]
pub struct Post {
    /// The path with its query.
    pub path: String,
    /// `Gatepost-Event`.
    pub event: String,
    /// `Gatepost-Signature`.
    pub signature: String,
    /// The body.
    pub body: String,
    /// The status it was answered with.
    pub status: u16,
}

impl Post {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Whether the signature is one by this key over the body and a time.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let Some((time, signed)) = self.signature.split_once(",v1=") else {
            return false;
        };
        let time = time.trim_start_matches("t=");
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
        mac.update(format!("{time}.{}", self.body).as_bytes());
        let octets = mac.finalize().into_bytes();
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        hex == signed
    }
}

#[derive(Default)]
struct State {
    /// Answers in turn; then `204`.
    statuses: Vec<u16>,
    location: Option<String>,
    posts: Vec<Post>,
}

/// A web server on loopback, on a thread of its own. It ends when it is dropped.
pub struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
    thread: Option<std::thread::JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

impl Receiver {
    /// Takes everything, over TLS when there is a certificate.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(server: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        Self::start_on(0, server)
    }

    /// The same on a port of loopback.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start_on(port: u16, server: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let state = Arc::<Mutex<State>>::default();
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let served = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let acceptor = server.map(TlsAcceptor::from);
            runtime.block_on(async {
                tokio::select! { _ = serve(listener, acceptor, served) => {}, _ = ended => {} }
            });
        });
        Ok(Self {
            port,
            state,
            thread: Some(thread),
            end: Some(end),
        })
    }

    /// The port of loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Answers the next posts with these statuses, one each; later ones with 204.
    pub fn answer(&self, statuses: &[u16]) {
        self.state().statuses = statuses.to_vec();
    }

    /// From now on answers name another place.
    pub fn redirect(&self, location: &str) {
        self.state().location = Some(location.to_owned());
    }

    /// What has arrived so far.
    pub fn posts(&self) -> Vec<Post> {
        self.state().posts.clone()
    }

    /// Waits until some posts fulfil a condition.
    ///
    /// # Panics
    /// When they do not within [`wait::PATIENCE`].
    pub fn wait_for(&self, what: &str, condition: impl Fn(&[Post]) -> bool) -> Vec<Post> {
        wait::until_some(what, wait::PATIENCE, || {
            Some(self.posts()).filter(|posts| condition(posts))
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    state: Arc<Mutex<State>>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut visits = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        visits.spawn(async move {
            match acceptor {
                None => visit(stream, state).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        visit(stream, state).await;
                    }
                }
            }
        });
    }
}

/// A visit that breaks is the relay's concern.
async fn visit<S>(stream: S, state: Arc<Mutex<State>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request: Request<Incoming>| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(receive(request, &state).await) }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn receive(request: Request<Incoming>, state: &Mutex<State>) -> Response<String> {
    let field = |name: &str| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let (event, signature) = (field("gatepost-event"), field("gatepost-signature"));
    let path = request.uri().to_string();
    let body = read(request.into_body()).await;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let status = match state.statuses.is_empty() {
        true => 204,
        false => state.statuses.remove(0),
    };
    state.posts.push(Post {
        path,
        event,
        signature,
        body,
        status,
    });
    let mut response = Response::new(format!("as the script says: {status}"));
    *response.status_mut() = status.try_into().expect("a status");
    if let Some(location) = &state.location {
        let location = location.parse().expect("a value");
        response.headers_mut().insert(header::LOCATION, location);
    }
    if status == 204 {
        response.body_mut().clear();
    }
    response
}

async fn read(mut body: Incoming) -> String {
    let mut octets = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Some(data) = frame.data_ref() {
            octets.extend_from_slice(data);
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}
