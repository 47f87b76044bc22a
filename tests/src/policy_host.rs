//! Serves MTA-STS policies over HTTPS, as the web servers of other domains do (RFC 8461 §3.3).

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

type Policies = Arc<Mutex<HashMap<String, String>>>;

/// A web server on loopback, on a thread of its own. It ends when it is dropped.
pub struct PolicyHost {
    port: u16,
    policies: Policies,
    thread: Option<std::thread::JoinHandle<()>>,
    end: Option<oneshot::Sender<()>>,
}

impl PolicyHost {
    /// Starts with no policies.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(server: Arc<ServerConfig>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let policies = Policies::default();
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let served = Arc::clone(&policies);
        let thread = std::thread::spawn(move || {
            let acceptor = TlsAcceptor::from(server);
            runtime.block_on(async {
                tokio::select! { _ = serve(listener, acceptor, served) => {}, _ = ended => {} }
            });
        });
        Ok(Self {
            port,
            policies,
            thread: Some(thread),
            end: Some(end),
        })
    }

    /// The port of loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// From now on this is the domain's policy.
    pub fn publish(&self, domain: &str, policy: &str) {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        policies.insert(format!("mta-sts.{domain}"), policy.to_owned());
    }

    /// From now on nothing is published.
    pub fn withdraw_all(&self) {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        policies.clear();
    }
}

impl Drop for PolicyHost {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    policies: Policies,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut visits = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        visits.spawn(visit(stream, acceptor.clone(), Arc::clone(&policies)));
    }
}

/// A visit that breaks is the relay's concern.
async fn visit(stream: TcpStream, acceptor: TlsAcceptor, policies: Policies) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, &policies);
        async move { Ok::<_, Infallible>(answer) }
    });
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(request: &Request<Incoming>, policies: &Policies) -> Response<String> {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let policies = policies.lock().unwrap_or_else(PoisonError::into_inner);
    let policy = policies.get(host);
    let policy = policy.filter(|_| request.uri().path() == "/.well-known/mta-sts.txt");
    let mut response = Response::new(policy.cloned().unwrap_or_default());
    if policy.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    let kind = header::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
