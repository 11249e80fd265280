//! The authoritative DNS server: answers from Cloudflare's active zones, and for the private spaces' host names.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record as Answer, RecordType};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::cloudflare::{Cloudflare, Record, Zone, ZoneStatus, text_data};
use crate::http::{Answer as HttpAnswer, Request};
use crate::log::Question;
use crate::world::{Shared, World};

/// Answer to a question about a proxied record: an address of Cloudflare's edge.
const EDGE: Ipv4Addr = Ipv4Addr::new(104, 16, 0, 1);
/// TTL of a record whose TTL is automatic.
const AUTOMATIC_TTL: u32 = 300;
/// A chain of aliases longer than this is taken for a loop.
const LONGEST_CHAIN: usize = 8;

/// Where DNS over HTTPS is answered.
pub(crate) const HTTPS_PATH: &str = "/dns-query";

pub(crate) async fn serve_udp(socket: UdpSocket, shared: Arc<Shared>) {
    let mut buffer = vec![0; 4096];
    loop {
        // An error here is about an earlier datagram that could not be delivered.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if let Some(answer) = answer(&shared, &buffer[..length], true) {
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}

pub(crate) async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = serve_stream(stream, &shared).await;
        });
    }
}

async fn serve_stream(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await?;
        let Some(answer) = answer(shared, &question, false) else {
            return Ok(());
        };
        let mut framed = u16::try_from(answer.len())
            .map_err(io::Error::other)?
            .to_be_bytes()
            .to_vec();
        framed.extend(answer);
        stream.write_all(&framed).await?;
    }
}

/// DNS over HTTPS (RFC 8484), by POST.
pub(crate) fn over_https(shared: &Shared, request: &Request) -> HttpAnswer {
    const MEDIA_TYPE: &str = "application/dns-message";
    if request.method != "POST" {
        return HttpAnswer::empty(405)
            .header("Allow", "POST")
            .unexpected(format!("{} {HTTPS_PATH}", request.method));
    }
    if request.header("content-type") != Some(MEDIA_TYPE) {
        return HttpAnswer::empty(415);
    }
    match answer(shared, &request.body, false) {
        Some(bytes) => HttpAnswer::empty(200)
            .header("Content-Type", MEDIA_TYPE)
            .body(bytes),
        None => HttpAnswer::empty(400),
    }
}

fn answer(shared: &Shared, question: &[u8], datagram: bool) -> Option<Vec<u8>> {
    let request = Message::from_vec(question).ok()?;
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    match request.queries.as_slice() {
        [query] => {
            response.add_query(query.clone());
            {
                let mut log = shared.log();
                log.stats.dns_questions += 1;
                log.questions.push(Question {
                    name: plain(&query.name),
                    kind: query.query_type.to_string(),
                });
            }
            resolve(&shared.world(), query, &mut response);
        }
        _ => response.metadata.response_code = ResponseCode::FormErr,
    }
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        response.set_edns(edns);
    }
    let bytes = response.to_vec().ok()?;
    let room = request
        .edns
        .as_ref()
        .map_or(512, |edns| edns.max_payload().clamp(512, 4096));
    if datagram && bytes.len() > room.into() {
        return response.truncate().to_vec().ok();
    }
    Some(bytes)
}

fn resolve(world: &World, query: &Query, response: &mut Message) {
    let now = world.clock.now();
    let mut name = plain(&query.name);
    for _ in 0..LONGEST_CHAIN {
        let outcome = lookup(world, &name, query.query_type, now);
        let first = response.answers.is_empty();
        match outcome {
            // An alias that leaves our zones is the client's to follow.
            Outcome::NotOurs if first => response.metadata.response_code = ResponseCode::Refused,
            Outcome::NotOurs => {}
            Outcome::Referral { owner, servers } => {
                response.add_authorities(
                    servers
                        .iter()
                        .filter_map(|ns| data("NS", ns, None).map(|d| rr(&owner, 300, d))),
                );
                return;
            }
            Outcome::Missing { zone, exists } => {
                response.metadata.authoritative = true;
                if !exists {
                    response.metadata.response_code = ResponseCode::NXDomain;
                }
                response.add_authorities(soa(&zone));
                return;
            }
            Outcome::Found(answers) => {
                response.metadata.authoritative = true;
                response.add_answers(answers);
            }
            Outcome::Alias { answer, target } => {
                response.metadata.authoritative = true;
                response.add_answer(answer);
                name = target;
                continue;
            }
        }
        return;
    }
}

enum Outcome {
    NotOurs,
    Referral { owner: String, servers: Vec<String> },
    Missing { zone: Zone, exists: bool },
    Found(Vec<Answer>),
    Alias { answer: Answer, target: String },
}

fn lookup(world: &World, name: &str, kind: RecordType, now: Timestamp) -> Outcome {
    let Some(zone) = zone_of(&world.cloudflare, name) else {
        return platform(world, name, kind);
    };
    let served: Vec<&Record> = zone
        .records
        .iter()
        .filter(|record| record.served_from.is_none_or(|from| from <= now))
        .collect();

    if let Some(owner) = delegation(zone, &served, name) {
        let servers = served
            .iter()
            .filter(|r| r.kind == "NS" && r.name == owner)
            .map(|r| r.content.clone());
        return Outcome::Referral {
            servers: servers.collect(),
            owner,
        };
    }
    let missing = |exists| Outcome::Missing {
        zone: zone.clone(),
        exists,
    };
    let Some(owner) = owner(zone, &served, name) else {
        return missing(false);
    };
    let here: Vec<&&Record> = served
        .iter()
        .filter(|record| record.name == owner)
        .collect();

    if let Some(alias) = here.iter().find(|record| record.kind == "CNAME") {
        let wants_alias = matches!(kind, RecordType::CNAME | RecordType::ANY);
        if alias.proxied || (name == zone.name && !wants_alias) {
            return flattened(world, alias, name, kind, now).unwrap_or_else(|| missing(true));
        }
        let Some(content) = data("CNAME", &alias.content, None) else {
            return missing(true);
        };
        let answer = rr(name, ttl(alias), content);
        if wants_alias {
            return Outcome::Found(vec![answer]);
        }
        return Outcome::Alias {
            answer,
            target: alias.content.trim_end_matches('.').to_lowercase(),
        };
    }

    let mut answers: Vec<Answer> = Vec::new();
    for record in here {
        if record.proxied {
            if kind == RecordType::A && answers.is_empty() {
                answers.push(rr(name, AUTOMATIC_TTL, RData::A(A(EDGE))));
            }
        } else if let Some(content) = data(&record.kind, &record.content, record.priority)
            && (kind == RecordType::ANY || content.record_type() == kind)
        {
            answers.push(rr(name, ttl(record), content));
        }
    }
    if name == zone.name {
        if matches!(kind, RecordType::SOA | RecordType::ANY) {
            answers.extend(soa(zone));
        }
        if matches!(kind, RecordType::NS | RecordType::ANY) {
            let servers = zone
                .name_servers
                .iter()
                .filter_map(|server| data("NS", server, None));
            answers.extend(servers.map(|server| rr(name, 86_400, server)));
        }
    }
    if answers.is_empty() {
        missing(true)
    } else {
        Outcome::Found(answers)
    }
}

/// A CNAME at the apex, or through the edge, is answered with addresses.
fn flattened(
    world: &World,
    alias: &Record,
    name: &str,
    kind: RecordType,
    now: Timestamp,
) -> Option<Outcome> {
    if kind != RecordType::A && kind != RecordType::AAAA {
        return None;
    }
    if alias.proxied {
        return (kind == RecordType::A)
            .then(|| Outcome::Found(vec![rr(name, AUTOMATIC_TTL, RData::A(A(EDGE)))]));
    }
    let mut target = alias.content.to_lowercase();
    for _ in 0..LONGEST_CHAIN {
        match lookup(world, &target, kind, now) {
            Outcome::Found(answers) => {
                return Some(Outcome::Found(
                    answers
                        .into_iter()
                        .map(|a| rr(name, a.ttl, a.data))
                        .collect(),
                ));
            }
            Outcome::Alias { target: next, .. } => target = next,
            _ => return None,
        }
    }
    None
}

/// The DNS targets of private spaces lead to the ingress, on this machine.
fn platform(world: &World, name: &str, kind: RecordType) -> Outcome {
    if !world.anypoint.is_dns_target(name) {
        return Outcome::NotOurs;
    }
    match kind {
        RecordType::A => data("A", &IpAddr::from(Ipv4Addr::LOCALHOST).to_string(), None)
            .map_or(Outcome::NotOurs, |content| {
                Outcome::Found(vec![rr(name, 60, content)])
            }),
        _ => Outcome::Missing {
            zone: Zone {
                name: "cloudhub.io".to_owned(),
                ..Zone::default()
            },
            exists: true,
        },
    }
}

/// The active zone with the longest name that `name` lies in.
fn zone_of<'a>(cloudflare: &'a Cloudflare, name: &str) -> Option<&'a Zone> {
    let holds = |zone: &&Zone| zone.status == ZoneStatus::Active && is_within(name, &zone.name);
    cloudflare
        .zones
        .iter()
        .filter(holds)
        .max_by_key(|zone| zone.name.len())
}

fn is_within(name: &str, ancestor: &str) -> bool {
    name.strip_suffix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The topmost name between the apex and `name` that NS records give away.
fn delegation(zone: &Zone, served: &[&Record], name: &str) -> Option<String> {
    let cuts = served
        .iter()
        .filter(|r| r.kind == "NS" && r.name != zone.name && is_within(name, &r.name));
    cuts.map(|record| record.name.clone())
        .min_by_key(String::len)
}

/// The owner of the records that answer for `name`: itself, or a wildcard below its closest existing ancestor.
fn owner(zone: &Zone, served: &[&Record], name: &str) -> Option<String> {
    // A name exists if anything lies at or below it.
    let exists =
        |name: &str| name == zone.name || served.iter().any(|record| is_within(&record.name, name));
    if exists(name) {
        return Some(name.to_owned());
    }
    let mut ancestor = name;
    while let Some((_, parent)) = ancestor.split_once('.') {
        ancestor = parent;
        if exists(ancestor) {
            let wildcard = format!("*.{ancestor}");
            return served
                .iter()
                .any(|record| record.name == wildcard)
                .then_some(wildcard);
        }
    }
    None
}

fn data(kind: &str, content: &str, priority: Option<u16>) -> Option<RData> {
    let host = |text: &str| Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).ok();
    Some(match kind {
        "A" => RData::A(A(content.parse().ok()?)),
        "AAAA" => RData::AAAA(AAAA(content.parse().ok()?)),
        "CNAME" => RData::CNAME(CNAME(host(content)?)),
        "NS" => RData::NS(NS(host(content)?)),
        "MX" => RData::MX(MX::new(priority.unwrap_or(10), host(content)?)),
        "TXT" => {
            let text = text_data(content);
            RData::TXT(TXT::from_bytes(text.chunks(255).collect()))
        }
        _ => return None,
    })
}

fn soa(zone: &Zone) -> Option<Answer> {
    let host = |text: &str| Name::from_ascii(format!("{text}.")).ok();
    let first = zone
        .name_servers
        .first()
        .map_or("ada.ns.cloudflare.com", String::as_str);
    let data = SOA::new(
        host(first)?,
        host("dns.cloudflare.com")?,
        2_400_000_000,
        10_000,
        2400,
        604_800,
        1800,
    );
    Some(rr(&zone.name, 1800, RData::SOA(data)))
}

fn rr(owner: &str, ttl: u32, data: RData) -> Answer {
    Answer::from_rdata(
        Name::from_ascii(format!("{owner}.")).unwrap_or_default(),
        ttl,
        data,
    )
}

fn ttl(record: &Record) -> u32 {
    if record.ttl == 1 {
        AUTOMATIC_TTL
    } else {
        record.ttl
    }
}

/// In lower case, without the final dot.
fn plain(name: &Name) -> String {
    name.to_ascii()
        .to_ascii_lowercase()
        .trim_end_matches('.')
        .to_owned()
}
