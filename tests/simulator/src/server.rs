//! The HTTPS/1.1 server: connections, latency, faults, the log. What is answered is decided in [`crate::routes`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::dns;
use crate::faults::Action;
use crate::http::{Answer, Request};
use crate::routes;
use crate::world::Shared;

/// How a connection ends when no answer shall arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Reset,
    Close,
}

pub(crate) async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>) {
    let serve = |tcp, peer, number| {
        shared.log().stats.connections += 1;
        connection(tcp, peer, tls.clone(), Arc::clone(&shared), number)
    };
    each_connection(listener, serve).await;
}

/// Serves connections side by side; each gets its number, from 1.
pub(crate) async fn each_connection<F>(
    listener: TcpListener,
    serve: impl Fn(TcpStream, SocketAddr, u64) -> F,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut number = 0;
    loop {
        let Ok((tcp, peer)) = listener.accept().await else {
            continue;
        };
        number += 1;
        let served = serve(tcp, peer, number);
        tokio::spawn(async move {
            // A client that goes away in the middle is an everyday event, and seen in the log.
            let _ = served.await;
        });
    }
}

async fn connection(
    tcp: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    number: u64,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let tcp = tcp.into_std()?;
    // A second handle on the socket, to reset it while the HTTP machinery owns the first.
    let twin = tcp.try_clone()?;
    let tcp = TcpStream::from_std(tcp)?;

    pause(shared.latency().connect).await;
    let stream = match tls.accept(tcp).await {
        Ok(stream) => stream,
        Err(err) => {
            shared.log().stats.failed_handshakes += 1;
            return Err(err);
        }
    };
    shared.log().stats.tls_connections += 1;

    let (cut, mut cuts) = mpsc::channel(1);
    let service =
        service_fn(|request| respond(Arc::clone(&shared), request, number, peer, cut.clone()));
    let mut http = std::pin::pin!(
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        result = http.as_mut() => result.map_err(io::Error::other),
        Some(cut) = cuts.recv() => {
            if cut == Cut::Reset {
                socket2::SockRef::from(&twin).set_linger(Some(Duration::ZERO))?;
            }
            Ok(())
        }
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
    connection: u64,
    peer: SocketAddr,
    cut: mpsc::Sender<Cut>,
) -> Result<hyper::Response<Payload>, Infallible> {
    let request = read(request, connection, peer).await;
    if request.path.starts_with("/_sim/") {
        return Ok(response(admin::answer(&shared, &request), Delivery::Whole));
    }

    let fault = shared.faults().take(&request);
    let entry = shared.log().begin(&request);
    if let Some(fault) = &fault {
        shared
            .log()
            .finish(entry, |entry| entry.fault = Some(fault.name()));
    }
    pause(shared.latency().request).await;

    let (answer, delivery) = match fault {
        None => (effect(&shared, &request), Delivery::Whole),
        Some(Action::Answer {
            status,
            headers,
            body,
        }) => (
            Answer {
                status,
                headers,
                body: body.into_bytes(),
                unexpected: None,
            },
            Delivery::Whole,
        ),
        Some(Action::Html { status }) => (html(status), Delivery::Whole),
        Some(Action::Empty { status }) => (Answer::empty(status), Delivery::Whole),
        Some(Action::Reset) => return give_up(&cut, Cut::Reset).await,
        Some(Action::Close) => return give_up(&cut, Cut::Close).await,
        Some(Action::Hang) => return std::future::pending().await,
        Some(Action::LostAnswer) => {
            effect(&shared, &request);
            return give_up(&cut, Cut::Reset).await;
        }
        Some(Action::LostBody) => (
            Answer::empty(effect(&shared, &request).status),
            Delivery::Whole,
        ),
        Some(Action::Gateway { status }) => {
            effect(&shared, &request);
            (html(status), Delivery::Whole)
        }
        Some(Action::Truncate { bytes }) => (effect(&shared, &request), Delivery::Truncated(bytes)),
        Some(Action::SlowBody { piece, pause_ms }) => {
            let pause = Duration::from_millis(pause_ms);
            (
                effect(&shared, &request),
                Delivery::Slow {
                    piece: piece.max(1),
                    pause,
                },
            )
        }
        Some(Action::Delay { ms }) => {
            let answer = effect(&shared, &request);
            pause(Duration::from_millis(ms)).await;
            (answer, Delivery::Whole)
        }
    };

    shared.log().finish(entry, |entry| {
        entry.status = Some(answer.status);
        entry.unexpected.clone_from(&answer.unexpected);
    });
    Ok(response(answer, delivery))
}

fn effect(shared: &Shared, request: &Request) -> Answer {
    if request.path == dns::HTTPS_PATH {
        return dns::over_https(shared, request);
    }
    routes::dispatch(&mut shared.world(), request)
}

async fn give_up<T>(cut: &mpsc::Sender<Cut>, how: Cut) -> T {
    // Nobody listens only if the connection is gone already.
    let _ = cut.send(how).await;
    std::future::pending().await
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

pub(crate) async fn read(
    request: hyper::Request<Incoming>,
    connection: u64,
    peer: SocketAddr,
) -> Request {
    let (head, body) = request.into_parts();
    // A body that breaks off is answered like the part that came; the handler will refuse it.
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes().to_vec())
        .unwrap_or_default();
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: form_urlencoded::parse(raw_query.as_bytes())
            .into_owned()
            .collect(),
        raw_query,
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body,
        connection,
        client: Some(peer.ip()),
    }
}

fn html(status: u16) -> Answer {
    error_page(status, "")
}

/// The page that nginx shows for an error of its own.
pub(crate) fn error_page(status: u16, reason: &str) -> Answer {
    let title = format!("{status} {reason}");
    let title = title.trim_end();
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Answer::empty(status)
        .header("Content-Type", "text/html")
        .body(page.into_bytes())
}

/// How the body reaches the client.
#[derive(Clone, Copy)]
pub(crate) enum Delivery {
    Whole,
    Truncated(usize),
    Slow { piece: usize, pause: Duration },
}

pub(crate) fn response(answer: Answer, delivery: Delivery) -> hyper::Response<Payload> {
    let mut builder = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    // 204 and 304 have no body, and must not announce one.
    if !matches!(answer.status, 204 | 304) {
        builder = builder.header("Content-Length", answer.body.len());
    }
    builder
        .body(Payload::new(answer.body, delivery))
        .unwrap_or_else(|err| {
            let text = format!("the simulator made an answer that is not HTTP: {err}");
            hyper::Response::new(Payload::new(text.into_bytes(), Delivery::Whole))
        })
}

/// A response body in pieces, each after a pause.
pub(crate) struct Payload {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    broken: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Payload {
    fn new(body: Vec<u8>, delivery: Delivery) -> Self {
        let body = Bytes::from(body);
        let (pieces, pause, broken) = match delivery {
            Delivery::Whole => (VecDeque::from([body]), Duration::ZERO, false),
            // The pause lets the first part reach the wire before the connection breaks.
            Delivery::Truncated(bytes) => (
                VecDeque::from([body.slice(..bytes.min(body.len()))]),
                Duration::from_millis(20),
                true,
            ),
            Delivery::Slow { piece, pause } => {
                let pieces = (0..body.len())
                    .step_by(piece)
                    .map(|at| body.slice(at..body.len().min(at + piece)));
                (pieces.collect(), pause, false)
            }
        };
        let pieces = pieces
            .into_iter()
            .filter(|piece| !piece.is_empty())
            .collect();
        Self {
            pieces,
            pause,
            broken,
            timer: None,
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.pieces.is_empty() && !self.broken {
            return Poll::Ready(None);
        }
        if !self.pause.is_zero() {
            let pause = self.pause;
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
        Poll::Ready(Some(match self.pieces.pop_front() {
            Some(piece) => Ok(Frame::data(piece)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
