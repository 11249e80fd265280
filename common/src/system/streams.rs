//! What a child program writes, read by threads of their own so that it never waits for us.

use std::io::{ErrorKind, Read};
use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What comes after this much of a stream is read and thrown away, unless the caller needs more.
pub(super) const LARGEST_OUTPUT: usize = 1024 * 1024;

/// The streams of a program that is running.
pub(super) struct Streams {
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    closed: Receiver<()>,
}

impl Streams {
    /// Waits until both streams are closed; whether time ran out before.
    pub(super) fn wait(&self, time: Duration) -> bool {
        matches!(
            self.closed.recv_timeout(time),
            Err(RecvTimeoutError::Timeout)
        )
    }

    /// What came on standard error so far; what is not UTF-8 is replaced.
    pub(super) fn stderr(&self) -> String {
        let bytes = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What came on standard output and standard error; what is not UTF-8 is replaced.
    pub(super) fn into_texts(self) -> (String, String) {
        let text = |bytes: &Mutex<Vec<u8>>| {
            let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
            // It may be large, and is not needed twice.
            String::from_utf8(std::mem::take(&mut bytes))
                .unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
        };
        (text(&self.stdout), text(&self.stderr))
    }
}

/// Begins to read what `child` writes, and keeps at most `largest` bytes of its standard output.
pub(super) fn drain(child: &mut Child, largest: usize) -> Streams {
    // Both threads hold a sender; the channel closes with the second stream.
    let (sender, closed) = mpsc::channel();
    let read = |stream: Option<Box<dyn Read + Send>>, largest| {
        let kept = Arc::new(Mutex::new(Vec::new()));
        if let Some(stream) = stream {
            let (kept, sender) = (Arc::clone(&kept), sender.clone());
            thread::spawn(move || {
                keep(stream, &kept, largest);
                drop(sender);
            });
        }
        kept
    };
    Streams {
        stdout: read(
            child.stdout.take().map(|stream| Box::new(stream) as _),
            largest,
        ),
        stderr: read(
            child.stderr.take().map(|stream| Box::new(stream) as _),
            LARGEST_OUTPUT,
        ),
        closed,
    }
}

fn keep(mut stream: Box<dyn Read + Send>, kept: &Mutex<Vec<u8>>, largest: usize) {
    let mut piece = [0; 8192];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let room = largest.saturating_sub(kept.len());
                kept.extend_from_slice(&piece[..length.min(room)]);
            }
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
