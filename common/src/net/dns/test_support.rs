//! A name server for tests.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// A name server whose behaviour is a function from question to answer, by UDP and TCP.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) asked: Arc<AtomicUsize>,
}

impl Server {
    pub(super) fn new(
        behave: impl Fn(&Message, bool) -> Vec<Message> + Send + Sync + 'static,
    ) -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into(), behave)
    }

    pub(super) fn on(
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
}

pub(super) fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

pub(super) fn reply(question: &Message, code: ResponseCode) -> Message {
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.response_code = code;
    answer.metadata.authoritative = true;
    answer.add_queries(question.queries.clone());
    answer
}

pub(super) fn with(question: &Message, records: Vec<(&str, RData)>) -> Message {
    let mut answer = reply(question, ResponseCode::NoError);
    for (owner, data) in records {
        answer.add_answer(Record::from_rdata(name(owner), 60, data));
    }
    answer
}

pub(super) fn txt(strings: &[&[u8]]) -> RData {
    RData::TXT(TXT::from_bytes(strings.to_vec()))
}

pub(super) fn soa() -> RData {
    let (primary, mailbox) = (name("ns1.example.com"), name("dns.example.com"));
    RData::SOA(SOA::new(primary, mailbox, 7, 1, 1, 1, 30))
}

/// Answers from a table of (owner, data), and with the SOA of example.com where there is nothing.
pub(super) fn zone(records: Vec<(&'static str, RData)>) -> Server {
    Server::new(move |question, _| {
        let query = &question.queries[0];
        let owned: Vec<_> = records
            .iter()
            .filter(|(owner, _)| name(owner) == *query.name())
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
            answer.add_authority(Record::from_rdata(name("example.com"), 60, soa()));
        }
        vec![answer]
    })
}
