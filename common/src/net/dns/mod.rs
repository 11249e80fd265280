//! Questions to DNS that the system's own resolver cannot answer: other types than addresses, and a certain server's view.
//!
//! Names are absolute, in ASCII form (A-labels), and come back in lower case without a trailing dot.

pub mod name;

use std::error::Error;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::net::timed::Timed;

/// The port of name servers.
pub const PORT: u16 = 53;

/// What fits into a datagram on any path without being cut up (DNS Flag Day 2020).
const UDP_PAYLOAD: u16 = 1232;
/// How often each server is asked before it counts as silent.
const ROUNDS: usize = 2;

/// Asks name servers, one after the other until one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// How long to wait for one server.
    pub attempt: Duration,
    /// How long to wait for the answer to one question in all.
    pub total: Duration,
}

/// The type of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name that this name is an alias of.
    Cname,
    /// Name servers of a zone.
    Ns,
    /// The start of a zone.
    Soa,
    /// Text.
    Txt,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose record it is.
    pub name: String,
    /// How long it may be kept, in seconds.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// `A` or `AAAA`.
    Address(IpAddr),
    /// `CNAME`: the name behind the alias.
    Cname(String),
    /// `NS`: a name server's name.
    Ns(String),
    /// `SOA`.
    Soa {
        /// The primary name server.
        primary: String,
        /// The zone's version.
        serial: u32,
        /// How long "does not exist" may be kept, in seconds.
        negative_ttl: u32,
    },
    /// `TXT`: all strings of the record joined, as the ACME challenge and others mean them.
    Txt(Vec<u8>),
}

/// What a server answered. A name that does not exist is an answer too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The name that was asked for.
    pub name: String,
    /// Whether the name exists, be it with other types of record.
    pub exists: bool,
    /// Whether the server is an authority for the name.
    pub authoritative: bool,
    /// The records that answer, aliases on the way among them.
    pub records: Vec<Record>,
    /// The records about the zone: its `SOA` if there is no answer, or its name servers.
    pub authority: Vec<Record>,
    /// Records that the server thinks useful: addresses of name servers.
    pub additional: Vec<Record>,
    /// Who answered.
    pub server: SocketAddr,
}

/// A zone and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its name servers, sorted by name.
    pub servers: Vec<NameServer>,
}

/// A name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Its addresses; empty if none could be found.
    pub addresses: Vec<IpAddr>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The name cannot be asked for.
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// No server answered.
    NoAnswer {
        /// The name that was asked for.
        name: String,
        /// The type that was asked for.
        kind: Kind,
        /// The last server that was asked.
        server: SocketAddr,
        /// What went wrong there.
        why: String,
    },
    /// A server answered that it cannot or will not tell.
    Failed {
        /// The name that was asked for.
        name: String,
        /// The type that was asked for.
        kind: Kind,
        /// Who answered.
        server: SocketAddr,
        /// The answer, such as `SERVFAIL`.
        code: String,
    },
    /// No zone was found above the name.
    NoZone {
        /// The name.
        name: String,
    },
    /// There is no server to ask.
    NoServer,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record_type().fmt(f)
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { name, why } => write!(f, "{name:?} is not a DNS name: {why}"),
            Self::NoAnswer {
                name,
                kind,
                server,
                why,
            } => write!(
                f,
                "{name} {kind}: name server {server} did not answer: {why}"
            ),
            Self::Failed {
                name,
                kind,
                server,
                code,
            } => write!(f, "{name} {kind}: name server {server} answered {code}"),
            Self::NoZone { name } => write!(f, "no DNS zone found above {name}"),
            Self::NoServer => f.write_str("no name server to ask"),
        }
    }
}

impl Error for ResolveError {}

impl Resolver {
    /// Asks these servers, up to 2 seconds each and 5 in all.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            attempt: Duration::from_secs(2),
            total: Duration::from_secs(5),
        }
    }

    /// Asks the servers that `/etc/resolv.conf` names; where there are none, the one on this machine, as resolvers do.
    pub fn system() -> Self {
        Self::from_file(Path::new("/etc/resolv.conf"))
    }

    fn from_file(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut servers = name_servers(&text);
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        Self::new(servers)
    }

    /// Asks for the records of one type.
    ///
    /// By UDP, and by TCP if the answer does not fit. A server that is silent or refuses is left for the next one.
    ///
    /// # Errors
    /// A name that is none; no server that answers, or only such as fail.
    pub fn lookup(&self, name: &str, kind: Kind) -> Result<Answer, ResolveError> {
        let question = Question::new(name, kind)?;
        let deadline = Instant::now() + self.total;
        let mut last = ResolveError::NoServer;
        let turns = std::iter::repeat_n(&self.servers, ROUNDS).flatten();
        for server in turns {
            let now = Instant::now();
            if now >= deadline && last != ResolveError::NoServer {
                break;
            }
            match question.ask(*server, deadline.min(now + self.attempt)) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The values of the `TXT` records of a name, also behind an alias that the server follows.
    ///
    /// # Errors
    /// See [`Resolver::lookup`].
    pub fn txt_values(&self, name: &str) -> Result<Vec<Vec<u8>>, ResolveError> {
        let answer = self.lookup(name, Kind::Txt)?;
        Ok(answer
            .values()
            .filter_map(|data| match data {
                Data::Txt(value) => Some(value.clone()),
                _ => None,
            })
            .collect())
    }

    /// The addresses of a host, IPv4 first.
    ///
    /// # Errors
    /// See [`Resolver::lookup`]; an error for one family does not hide the addresses of the other.
    pub fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let (v4, v6) = (self.lookup(host, Kind::A), self.lookup(host, Kind::Aaaa));
        let found: Vec<_> = [&v4, &v6]
            .into_iter()
            .flatten()
            .flat_map(Answer::values)
            .filter_map(address)
            .collect();
        if found.is_empty() {
            v4.and(v6)?;
        }
        Ok(found)
    }

    /// Finds the zone that `name` lies in, and its name servers with their addresses.
    ///
    /// # Errors
    /// See [`Resolver::lookup`]; a name without a zone above it.
    pub fn authoritative_servers(&self, name: &str) -> Result<Zone, ResolveError> {
        let zone = self.zone_of(name)?;
        let answer = self.lookup(&zone, Kind::Ns)?;
        let mut names: Vec<_> = answer
            .values()
            .filter_map(|data| match data {
                Data::Ns(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        names.sort();
        let servers = names
            .into_iter()
            .map(|name| NameServer {
                addresses: self.addresses(&name).unwrap_or_default(),
                name,
            })
            .collect();
        Ok(Zone {
            name: zone,
            servers,
        })
    }

    /// Goes up from `name` until a `SOA` record stands at the name asked for or above it.
    fn zone_of(&self, name: &str) -> Result<String, ResolveError> {
        let mut here = Question::new(name, Kind::Soa)?.name;
        while !here.is_root() {
            let answer = self.lookup(&here.to_ascii(), Kind::Soa)?;
            let zone = answer
                .records
                .iter()
                .chain(&answer.authority)
                .find(|record| {
                    // An alias brings the SOA of the zone that it leads to.
                    matches!(record.data, Data::Soa { .. }) && encloses(&record.name, &answer.name)
                });
            if let Some(zone) = zone {
                return Ok(zone.name.clone());
            }
            here = here.base_name();
        }
        Err(ResolveError::NoZone {
            name: name.to_owned(),
        })
    }
}

impl Answer {
    /// The name at the end of the aliases in the answer; the name asked for if it is no alias.
    pub fn canonical_name(&self) -> &str {
        let mut name = self.name.as_str();
        // As many steps as there are records: more is a loop.
        for _ in &self.records {
            let alias = self.records.iter().find(|record| record.name == name);
            match alias.map(|record| &record.data) {
                Some(Data::Cname(target)) => name = target,
                _ => break,
            }
        }
        name
    }

    /// What the records say that answer the question, aliases left aside.
    pub fn values(&self) -> impl Iterator<Item = &Data> {
        let end = self.canonical_name();
        self.records
            .iter()
            .filter(move |record| record.name == end && !matches!(record.data, Data::Cname(_)))
            .map(|record| &record.data)
    }

    /// The name that the name asked for is an alias of, one step on.
    pub fn alias(&self) -> Option<&str> {
        let own = self
            .records
            .iter()
            .filter(|record| record.name == self.name);
        own.map(|record| &record.data).find_map(|data| match data {
            Data::Cname(target) => Some(target.as_str()),
            _ => None,
        })
    }
}

impl Kind {
    fn record_type(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Cname => RecordType::CNAME,
            Self::Ns => RecordType::NS,
            Self::Soa => RecordType::SOA,
            Self::Txt => RecordType::TXT,
        }
    }
}

/// Reads a name server's address, `IP`, `IP:PORT` or `[IPv6]:PORT`. Fits `clap`'s `value_parser`.
///
/// # Errors
///
/// A sentence that says which forms are understood.
pub fn server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse()
        .or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)))
        .map_err(|_| {
            format!(
                "{text:?} is not the address of a name server, as 192.0.2.53 or 192.0.2.53:5353"
            )
        })
}

struct Question {
    name: Name,
    kind: Kind,
}

impl Question {
    fn new(name: &str, kind: Kind) -> Result<Self, ResolveError> {
        let mut parsed = Name::from_ascii(name).map_err(|error| ResolveError::BadName {
            name: name.to_owned(),
            why: error.to_string(),
        })?;
        parsed.set_fqdn(true);
        Ok(Self { name: parsed, kind })
    }

    fn ask(&self, server: SocketAddr, deadline: Instant) -> Result<Answer, ResolveError> {
        let no_answer = |error: io::Error| ResolveError::NoAnswer {
            name: text(&self.name),
            kind: self.kind,
            server,
            why: reason(&error),
        };
        let mut answer = self.exchange(server, true, deadline).map_err(no_answer)?;
        if is_edns_refused(&answer) {
            answer = self.exchange(server, false, deadline).map_err(no_answer)?;
        }
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(self.read(&answer, server)),
            code => Err(ResolveError::Failed {
                name: text(&self.name),
                kind: self.kind,
                server,
                code: code_text(code),
            }),
        }
    }

    fn exchange(&self, server: SocketAddr, edns: bool, deadline: Instant) -> io::Result<Message> {
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
        message.add_query(Query::query(self.name.clone(), self.kind.record_type()));
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
            Err(io::Error::other("the answer is to another question"))
        }
    }

    fn is_answered_by(&self, question: &Message, answer: &Message) -> bool {
        let same_question = match &answer.queries[..] {
            [query] => {
                query.name().to_lowercase() == self.name.to_lowercase()
                    && query.query_type() == self.kind.record_type()
            }
            // A server that did not understand the question need not repeat it.
            [] => answer.metadata.response_code != ResponseCode::NoError,
            _ => false,
        };
        answer.metadata.id == question.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && same_question
    }

    fn read(&self, answer: &Message, server: SocketAddr) -> Answer {
        Answer {
            name: text(&self.name),
            exists: answer.metadata.response_code != ResponseCode::NXDomain,
            authoritative: answer.metadata.authoritative,
            records: answer.answers.iter().filter_map(record).collect(),
            authority: answer.authorities.iter().filter_map(record).collect(),
            additional: answer.additionals.iter().filter_map(record).collect(),
            server,
        }
    }
}

/// Servers older than EDNS take its record for an error (RFC 6891 section 7).
fn is_edns_refused(answer: &Message) -> bool {
    matches!(
        answer.metadata.response_code,
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS
    )
}

/// Other types than those that can be asked for are left out.
fn record(record: &hickory_proto::rr::Record) -> Option<Record> {
    let data = match &record.data {
        RData::A(address) => Data::Address(address.0.into()),
        RData::AAAA(address) => Data::Address(address.0.into()),
        RData::CNAME(target) => Data::Cname(text(&target.0)),
        RData::NS(server) => Data::Ns(text(&server.0)),
        RData::SOA(soa) => Data::Soa {
            primary: text(&soa.mname),
            serial: soa.serial,
            negative_ttl: record.ttl.min(soa.minimum),
        },
        RData::TXT(strings) => Data::Txt(strings.txt_data.concat()),
        _ => return None,
    };
    Some(Record {
        name: text(&record.name),
        ttl: record.ttl,
        data,
    })
}

fn text(name: &Name) -> String {
    let full = name.to_ascii().to_ascii_lowercase();
    full.strip_suffix('.').unwrap_or(&full).to_owned()
}

fn address(data: &Data) -> Option<IpAddr> {
    match data {
        Data::Address(address) => Some(*address),
        _ => None,
    }
}

fn encloses(zone: &str, name: &str) -> bool {
    name.strip_suffix(zone)
        .is_some_and(|below| below.is_empty() || below.ends_with('.'))
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

/// The servers of a `resolv.conf`.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next())?
        })
        .filter_map(server_address)
        .collect()
}

fn server_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address, PORT).into());
    }
    // `fe80::1%eth0`: the system knows the interface's number. A host name is not allowed here.
    let scoped = text.contains('%') && text.contains(':');
    scoped
        .then(|| (text, PORT).to_socket_addrs().ok()?.next())
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use hickory_proto::rr::Record as Wire;
    use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA, TXT};

    use super::*;

    /// A name server whose behaviour is a function from question to answer, by UDP and TCP.
    struct Server {
        address: SocketAddr,
        asked: Arc<AtomicUsize>,
    }

    impl Server {
        fn new(behave: impl Fn(&Message, bool) -> Vec<Message> + Send + Sync + 'static) -> Self {
            Self::on(Ipv4Addr::LOCALHOST.into(), behave)
        }

        fn on(
            host: IpAddr,
            behave: impl Fn(&Message, bool) -> Vec<Message> + Send + Sync + 'static,
        ) -> Self {
            let (udp, tcp) = (0..20)
                .find_map(|_| {
                    let udp = UdpSocket::bind((host, 0)).unwrap();
                    let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
                    Some((udp, tcp))
                })
                .expect("a port that is free for UDP and TCP");
            let address = udp.local_addr().unwrap();
            let asked = Arc::new(AtomicUsize::new(0));
            let behave = Arc::new(behave);
            let (behave_udp, asked_udp) = (Arc::clone(&behave), Arc::clone(&asked));
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
                    asked_udp.fetch_add(1, Ordering::SeqCst);
                    let question = Message::from_vec(&buffer[..length]).unwrap();
                    for answer in behave_udp(&question, false) {
                        udp.send_to(&answer.to_vec().unwrap(), peer).unwrap();
                    }
                }
            });
            thread::spawn(move || {
                while let Ok((mut stream, _)) = tcp.accept() {
                    let mut length = [0; 2];
                    stream.read_exact(&mut length).unwrap();
                    let mut buffer = vec![0; u16::from_be_bytes(length).into()];
                    stream.read_exact(&mut buffer).unwrap();
                    let question = Message::from_vec(&buffer).unwrap();
                    for answer in behave(&question, true) {
                        let bytes = answer.to_vec().unwrap();
                        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                        stream.write_all(&[&length[..], &bytes].concat()).unwrap();
                    }
                }
            });
            Self { address, asked }
        }

        fn resolver(&self) -> Resolver {
            Resolver::new(vec![self.address])
        }
    }

    fn name(text: &str) -> Name {
        let mut name = Name::from_ascii(text).unwrap();
        name.set_fqdn(true);
        name
    }

    fn reply(question: &Message, code: ResponseCode) -> Message {
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.response_code = code;
        answer.metadata.authoritative = true;
        answer.add_queries(question.queries.clone());
        answer
    }

    fn with(question: &Message, records: Vec<(&str, RData)>) -> Message {
        let mut answer = reply(question, ResponseCode::NoError);
        for (owner, data) in records {
            answer.add_answer(Wire::from_rdata(name(owner), 60, data));
        }
        answer
    }

    fn txt(strings: &[&[u8]]) -> RData {
        RData::TXT(TXT::from_bytes(strings.to_vec()))
    }

    fn soa() -> RData {
        let (primary, mailbox) = (name("ns1.example.com"), name("dns.example.com"));
        RData::SOA(SOA::new(primary, mailbox, 7, 1, 1, 1, 30))
    }

    /// Answers from a table of (owner, data), and with the SOA of example.com where there is nothing.
    fn zone(records: Vec<(&'static str, RData)>) -> Server {
        Server::new(move |question, _| {
            let query = &question.queries[0];
            let owned: Vec<_> = records
                .iter()
                .filter(|(owner, _)| text(&name(owner)) == text(query.name()))
                .collect();
            let matching: Vec<_> = owned
                .iter()
                .filter(|(_, data)| {
                    [query.query_type(), RecordType::CNAME].contains(&data.record_type())
                })
                .map(|(owner, data)| (*owner, data.clone()))
                .collect();
            let code = if owned.is_empty() {
                ResponseCode::NXDomain
            } else {
                ResponseCode::NoError
            };
            let mut answer = with(question, matching);
            answer.metadata.response_code = code;
            if answer.answers.is_empty() {
                answer.add_authority(Wire::from_rdata(name("example.com"), 60, soa()));
            }
            vec![answer]
        })
    }

    #[test]
    fn every_type_is_read() {
        let server = zone(vec![
            ("a.example.com", RData::A(A::new(192, 0, 2, 1))),
            ("a.example.com", RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
            (
                "alias.example.com",
                RData::CNAME(CNAME(name("A.Example.COM"))),
            ),
            ("example.com", RData::NS(NS(name("ns1.example.com")))),
            ("example.com", soa()),
            ("example.com", txt(&[b"one", b"two"])),
        ]);
        let resolver = server.resolver();
        let first = |name, kind| resolver.lookup(name, kind).unwrap().records.remove(0).data;
        assert_eq!(
            first("a.example.com", Kind::A),
            Data::Address([192, 0, 2, 1].into())
        );
        assert_eq!(
            first("a.example.com", Kind::Aaaa),
            Data::Address(Ipv6Addr::LOCALHOST.into())
        );
        assert_eq!(
            first("ALIAS.example.com.", Kind::Cname),
            Data::Cname("a.example.com".into())
        );
        assert_eq!(
            first("example.com", Kind::Ns),
            Data::Ns("ns1.example.com".into())
        );
        assert_eq!(
            first("example.com", Kind::Soa),
            Data::Soa {
                primary: "ns1.example.com".into(),
                serial: 7,
                negative_ttl: 30
            }
        );
        assert_eq!(
            first("example.com", Kind::Txt),
            Data::Txt(b"onetwo".to_vec())
        );
        assert_eq!(resolver.addresses("a.example.com").unwrap().len(), 2);
    }

    #[test]
    fn each_record_is_a_value_and_its_strings_are_one() {
        let server = zone(vec![
            ("_acme-challenge.example.com", txt(&[b"abc", b"def"])),
            ("_acme-challenge.example.com", txt(&[b"\xff-bytes"])),
        ]);
        assert_eq!(
            server
                .resolver()
                .txt_values("_acme-challenge.example.com")
                .unwrap(),
            [b"abcdef".to_vec(), b"\xff-bytes".to_vec()]
        );
    }

    #[test]
    fn no_such_name_and_no_such_record_are_answers() {
        let server = zone(vec![("a.example.com", RData::A(A::new(192, 0, 2, 1)))]);
        let missing = server
            .resolver()
            .lookup("b.example.com", Kind::Txt)
            .unwrap();
        assert!(!missing.exists && missing.records.is_empty() && missing.authoritative);
        let other = server
            .resolver()
            .lookup("a.example.com", Kind::Txt)
            .unwrap();
        assert!(other.exists && other.records.is_empty());
        assert!(
            server
                .resolver()
                .txt_values("b.example.com")
                .unwrap()
                .is_empty()
        );
        assert!(
            server
                .resolver()
                .addresses("b.example.com")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn an_alias_in_the_answer_is_followed() {
        let server = Server::new(|question, _| {
            let records = vec![
                ("b.example.com", RData::CNAME(CNAME(name("c.example.com")))),
                ("a.example.com", RData::CNAME(CNAME(name("b.example.com")))),
                ("c.example.com", txt(&[b"value"])),
                ("other.example.com", txt(&[b"stray"])),
            ];
            vec![with(question, records)]
        });
        let answer = server
            .resolver()
            .lookup("a.example.com", Kind::Txt)
            .unwrap();
        assert_eq!(answer.alias(), Some("b.example.com"));
        assert_eq!(answer.canonical_name(), "c.example.com");
        assert_eq!(
            server.resolver().txt_values("a.example.com").unwrap(),
            [b"value"]
        );
    }

    #[test]
    fn a_loop_of_aliases_ends() {
        let server = Server::new(|question, _| {
            let records = vec![
                ("a.example.com", RData::CNAME(CNAME(name("b.example.com")))),
                ("b.example.com", RData::CNAME(CNAME(name("a.example.com")))),
            ];
            vec![with(question, records)]
        });
        assert!(
            server
                .resolver()
                .txt_values("a.example.com")
                .unwrap()
                .is_empty()
        );
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
        assert_eq!(
            server.resolver().txt_values("example.com").unwrap()[0].len(),
            5000
        );
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
        assert_eq!(
            server.resolver().txt_values("example.com").unwrap(),
            [b"true"]
        );
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
            server.resolver().lookup("example.com", Kind::Txt).unwrap();
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
        assert_eq!(
            server.resolver().txt_values("example.com").unwrap(),
            [b"old"]
        );
    }

    #[test]
    fn the_next_server_is_asked_when_one_fails_refuses_or_is_not_there() {
        let failing = Server::new(|question, _| vec![reply(question, ResponseCode::ServFail)]);
        let silent = Server::new(|_, _| vec![]);
        let closed = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let good = zone(vec![("example.com", txt(&[b"x"]))]);
        let resolver = Resolver {
            servers: vec![failing.address, silent.address, closed, good.address],
            attempt: Duration::from_millis(50),
            total: Duration::from_secs(5),
        };
        let answer = resolver.lookup("example.com", Kind::Txt).unwrap();
        assert_eq!(answer.server, good.address);
        assert_eq!(failing.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failure_names_server_and_code() {
        let server = Server::new(|question, _| vec![reply(question, ResponseCode::ServFail)]);
        let error = server
            .resolver()
            .lookup("example.com", Kind::Txt)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "example.com TXT: name server {} answered SERVFAIL",
                server.address
            )
        );
    }

    #[test]
    fn a_silent_server_is_given_up_when_the_time_is_over() {
        let silent = Server::new(|_, _| vec![]);
        let resolver = Resolver {
            attempt: Duration::from_secs(60),
            total: Duration::from_millis(60),
            ..silent.resolver()
        };
        let error = resolver.lookup("example.com", Kind::A).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("did not answer: no answer in time"),
            "{error}"
        );
        assert_eq!(silent.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_zone_and_its_servers_are_found_from_a_name_below() {
        let server = zone(vec![
            ("example.com", soa()),
            ("example.com", RData::NS(NS(name("ns2.example.com")))),
            ("example.com", RData::NS(NS(name("ns1.example.com")))),
            ("ns1.example.com", RData::A(A::new(192, 0, 2, 1))),
            ("ns1.example.com", RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
            (
                "alias.example.com",
                RData::CNAME(CNAME(name("example.org"))),
            ),
        ]);
        for below in [
            "_acme-challenge.api.example.com",
            "example.com",
            "alias.example.com",
        ] {
            let zone = server.resolver().authoritative_servers(below).unwrap();
            assert_eq!(zone.name, "example.com");
            assert_eq!(zone.servers[0].name, "ns1.example.com");
            assert_eq!(zone.servers[0].addresses.len(), 2);
            assert_eq!(zone.servers[1].addresses, [] as [IpAddr; 0]);
        }
    }

    #[test]
    fn a_name_without_zone_is_told() {
        let server = Server::new(|question, _| vec![with(question, vec![])]);
        assert_eq!(
            server.resolver().authoritative_servers("a.example.com"),
            Err(ResolveError::NoZone {
                name: "a.example.com".into()
            })
        );
    }

    #[test]
    fn servers_with_ipv6_addresses_are_asked() {
        let server = Server::on(Ipv6Addr::LOCALHOST.into(), |question, _| {
            vec![with(question, vec![("example.com", txt(&[b"six"]))])]
        });
        assert_eq!(
            server.resolver().txt_values("example.com").unwrap(),
            [b"six"]
        );
    }

    #[test]
    fn resolv_conf_names_the_servers() {
        let text = "# comment\nsearch example.com\nnameserver 192.0.2.53\n nameserver\t2001:db8::53 \n#nameserver 192.0.2.1\nnameserver fe80::1%1\nnameserver dns.example.com\nnameserver\noptions edns0\n";
        let servers = name_servers(text);
        assert_eq!(servers[0], "192.0.2.53:53".parse().unwrap());
        assert_eq!(servers[1], "[2001:db8::53]:53".parse().unwrap());
        assert_eq!(servers[2].ip(), "fe80::1".parse::<IpAddr>().unwrap());
        assert_eq!(servers.len(), 3);
        let none = Resolver::from_file(Path::new("/nowhere/resolv.conf"));
        assert_eq!(none.servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let resolver = Resolver::new(vec![]);
        let long = "x".repeat(64);
        for bad in ["a..b", long.as_str()] {
            let error = resolver.lookup(bad, Kind::A).unwrap_err();
            assert!(matches!(error, ResolveError::BadName { .. }), "{error}");
        }
        assert_eq!(
            resolver.lookup("*.example.com", Kind::A),
            Err(ResolveError::NoServer)
        );
    }
}
