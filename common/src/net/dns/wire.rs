//! One question to one server: over HTTPS, or by UDP, and by TCP where the answer does not fit.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Instant;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use crate::net::dns::error::ResolveError;
use crate::net::dns::https::HttpsServer;
use crate::net::dns::server::Server;
use crate::net::timed::Timed;

/// What fits into a datagram on any path without being cut up (DNS Flag Day 2020).
const UDP_PAYLOAD: u16 = 1232;

const OTHER_QUESTION: &str = "the answer is to another question";

/// A question for the records of one type.
pub(super) struct Question {
    pub(super) name: Name,
    kind: RecordType,
}

impl Question {
    /// A question about `name`.
    ///
    /// # Errors
    /// It is no name.
    pub(super) fn new(name: &str, kind: RecordType) -> Result<Self, ResolveError> {
        let mut parsed = Name::from_ascii(name).map_err(|error| ResolveError::BadName {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
        parsed.set_fqdn(true);
        Ok(Self { name: parsed, kind })
    }

    /// Asks `server`. That a name does not exist is an answer too.
    ///
    /// # Errors
    /// No answer until `deadline`, or one that says that the server cannot or will not tell.
    pub(super) fn ask(&self, server: &Server, deadline: Instant) -> Result<Message, ResolveError> {
        let no_answer = |why: String| ResolveError::NoAnswer {
            name: text(&self.name),
            kind: self.kind,
            server: server.to_string(),
            why,
        };
        let mut answer = self.exchange(server, true, deadline).map_err(no_answer)?;
        if is_edns_refused(&answer) {
            answer = self.exchange(server, false, deadline).map_err(no_answer)?;
        }
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
            code => Err(ResolveError::Failed {
                name: text(&self.name),
                kind: self.kind,
                server: server.to_string(),
                code: code_text(code),
            }),
        }
    }

    /// The error is why there is no answer.
    fn exchange(&self, server: &Server, edns: bool, deadline: Instant) -> Result<Message, String> {
        match server {
            Server::Plain(address) => self
                .over_port_53(*address, edns, deadline)
                .map_err(|error| reason(&error)),
            Server::Https(server) => self.over_https(server, edns),
        }
    }

    fn over_https(&self, server: &HttpsServer, edns: bool) -> Result<Message, String> {
        let mut question = self.message(edns);
        // The connection tells which answer is to which question; a constant number lets caches work (RFC 8484, 4.1).
        question.metadata.id = 0;
        let answer = server.exchange(&question)?;
        if self.is_answered_by(&question, &answer) {
            Ok(answer)
        } else {
            Err(OTHER_QUESTION.to_owned())
        }
    }

    fn over_port_53(
        &self,
        server: SocketAddr,
        edns: bool,
        deadline: Instant,
    ) -> io::Result<Message> {
        let answer = self.over_udp(server, &self.message(edns), deadline)?;
        if answer.metadata.truncation {
            return self.over_tcp(server, &self.message(edns), deadline);
        }
        Ok(answer)
    }

    fn message(&self, edns: bool) -> Message {
        // `query` draws the number that the answer has to repeat.
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.kind));
        if edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_PAYLOAD);
            message.set_edns(edns);
        }
        message
    }

    fn over_udp(
        &self,
        server: SocketAddr,
        question: &Message,
        deadline: Instant,
    ) -> io::Result<Message> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        // Connected, so that datagrams of others are not received and "nothing listens here" is.
        socket.connect(server)?;
        socket.send(&question.to_vec().map_err(io::Error::other)?)?;
        let mut buffer = [0; 65535];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            let length = socket.recv(&mut buffer)?;
            // A forged or late answer must not end the wait for the true one.
            if let Ok(answer) = Message::from_vec(&buffer[..length])
                && self.is_answered_by(question, &answer)
            {
                return Ok(answer);
            }
        }
    }

    fn over_tcp(
        &self,
        server: SocketAddr,
        question: &Message,
        deadline: Instant,
    ) -> io::Result<Message> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let stream = TcpStream::connect_timeout(&server, left)?;
        let mut timed = Timed::new(&stream, deadline);
        let question_bytes = question.to_vec().map_err(io::Error::other)?;
        let length = u16::try_from(question_bytes.len()).map_err(io::Error::other)?;
        timed.write_all(&[&length.to_be_bytes()[..], &question_bytes].concat())?;
        let mut length = [0; 2];
        timed.read_exact(&mut length)?;
        let mut buffer = vec![0; u16::from_be_bytes(length).into()];
        timed.read_exact(&mut buffer)?;
        let answer = Message::from_vec(&buffer).map_err(io::Error::other)?;
        if self.is_answered_by(question, &answer) {
            Ok(answer)
        } else {
            Err(io::Error::other(OTHER_QUESTION))
        }
    }

    fn is_answered_by(&self, question: &Message, answer: &Message) -> bool {
        let same_question = match &answer.queries[..] {
            [query] => *query.name() == self.name && query.query_type() == self.kind,
            // A server that did not understand the question need not repeat it.
            [] => answer.metadata.response_code != ResponseCode::NoError,
            _ => false,
        };
        answer.metadata.id == question.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && same_question
    }
}

/// Servers older than EDNS take its record for an error (RFC 6891 section 7).
fn is_edns_refused(answer: &Message) -> bool {
    matches!(
        answer.metadata.response_code,
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS
    )
}

/// A name in lower case and without a trailing dot.
pub(super) fn text(name: &Name) -> String {
    let full = name.to_ascii().to_ascii_lowercase();
    full.strip_suffix('.').unwrap_or(&full).to_owned()
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        // A socket's time limit shows as either.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".into(),
        _ => error.to_string(),
    }
}

/// The names under which administrators know them (RFC 1035, `dig`).
fn code_text(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".into(),
        ResponseCode::Refused => "REFUSED".into(),
        ResponseCode::FormErr => "FORMERR".into(),
        ResponseCode::NotImp => "NOTIMP".into(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use hickory_proto::rr::RData;

    use super::*;
    use crate::net::dns::test_support::{Server, name, reply, txt, with};

    fn ask(server: &Server) -> Result<Message, ResolveError> {
        let question = Question::new("example.com", RecordType::TXT).unwrap();
        let server = crate::net::dns::server::Server::Plain(server.address);
        question.ask(&server, Instant::now() + Duration::from_secs(5))
    }

    fn texts(server: &Server) -> Vec<Vec<u8>> {
        let answer = ask(server).unwrap();
        let texts = answer.answers.iter().map(|record| match &record.data {
            RData::TXT(txt) => txt.txt_data.concat(),
            other => panic!("{other:?}"),
        });
        texts.collect()
    }

    #[test]
    fn a_truncated_answer_is_asked_for_again_over_tcp() {
        let server = Server::new(|question, tcp| {
            let long = [b'x'; 250].as_slice();
            let mut answer = with(question, vec![]);
            answer.metadata.truncation = !tcp;
            if tcp {
                answer = with(question, vec![("example.com", txt(&[long; 20]))]);
            }
            vec![answer]
        });
        assert_eq!(texts(&server)[0].len(), 5000);
    }

    #[test]
    fn answers_to_other_questions_are_passed_over() {
        let server = Server::new(|question, _| {
            let forged = |change: fn(&mut Message)| {
                let mut answer = with(question, vec![("example.com", txt(&[b"forged"]))]);
                change(&mut answer);
                answer
            };
            vec![
                forged(|answer| answer.metadata.id ^= 1),
                forged(|answer| {
                    answer.queries = vec![Query::query(name("example.org"), RecordType::TXT)];
                }),
                forged(|answer| answer.metadata.message_type = MessageType::Query),
                forged(|answer| answer.queries.clear()),
                with(question, vec![("example.com", txt(&[b"true"]))]),
            ]
        });
        assert_eq!(texts(&server), [b"true"]);
    }

    #[test]
    fn questions_have_numbers_that_cannot_be_foreseen() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let server = Server::new(move |question, _| {
            log.lock().unwrap().push(question.metadata.id);
            assert_eq!(question.edns.as_ref().unwrap().max_payload(), UDP_PAYLOAD);
            vec![with(question, vec![])]
        });
        for _ in 0..8 {
            ask(&server).unwrap();
        }
        let mut ids = seen.lock().unwrap().clone();
        ids.dedup_by(|b, a| a.wrapping_add(1) == *b || a == b);
        assert!(ids.len() > 4, "{ids:?}");
    }

    #[test]
    fn a_server_without_edns_is_asked_without() {
        let server = Server::new(|question, _| {
            vec![match question.edns {
                Some(_) => {
                    let mut answer = reply(question, ResponseCode::FormErr);
                    answer.queries.clear();
                    answer
                }
                None => with(question, vec![("example.com", txt(&[b"old"]))]),
            }]
        });
        assert_eq!(texts(&server), [b"old"]);
    }
}
