//! The envelope of every answer, and refusals.

use serde::Serialize;

use super::PREFIX;
use crate::http::{Answer, Request};

#[derive(Serialize)]
struct Envelope<'a, T> {
    result: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_info: Option<ResultInfo>,
    success: bool,
    errors: &'a [()],
    messages: &'a [Message],
}

/// An entry of `messages`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    pub(super) code: u32,
    pub(super) message: String,
}

/// Where a page lies in its list.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct ResultInfo {
    page: u64,
    per_page: u64,
    total_pages: u64,
    count: usize,
    total_count: usize,
}

pub(super) fn success(result: &impl Serialize) -> Answer {
    success_with_message(result, &[])
}

pub(super) fn success_with_message(result: &impl Serialize, messages: &[Message]) -> Answer {
    Answer::json(
        200,
        &Envelope {
            result,
            result_info: None,
            success: true,
            errors: &[],
            messages,
        },
    )
}

/// One page of a list. A page past the end is empty, which is how the official client finds the end.
pub(super) fn page<T: Serialize>(
    items: &[T],
    request: &Request,
    default: u64,
    max: u64,
) -> Result<Answer, Refusal> {
    let number = |name, default| match request.param(name) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(0) | Err(_) => Err(Refusal::parameter(name, text)),
            Ok(value) => Ok(value),
        },
    };
    let page: u64 = number("page", 1)?;
    let per_page = number("per_page", default)?.min(max);
    let skip = usize::try_from((page - 1).saturating_mul(per_page)).unwrap_or(usize::MAX);
    let size = usize::try_from(per_page).unwrap_or(usize::MAX);
    let shown: Vec<&T> = items.iter().skip(skip).take(size).collect();
    let info = ResultInfo {
        page,
        per_page,
        total_pages: (items.len() as u64).div_ceil(per_page),
        count: shown.len(),
        total_count: items.len(),
    };
    Ok(Answer::json(
        200,
        &Envelope {
            result: shown,
            result_info: Some(info),
            success: true,
            errors: &[],
            messages: &[],
        },
    ))
}

/// Why a request is refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: u16,
    code: u32,
    message: String,
    chain: Option<Message>,
    /// The gateway's refusals hold neither `messages` nor `result`.
    bare: bool,
    unexpected: Option<String>,
}

#[derive(Serialize)]
struct RefusalBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Option<()>>,
    success: bool,
    errors: [ErrorItem<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<[(); 0]>,
}

#[derive(Serialize)]
struct ErrorItem<'a> {
    code: u32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_chain: Option<[&'a Message; 1]>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            chain: None,
            bare: false,
            unexpected: None,
        }
    }

    /// Code 6003 with the header's own code below it.
    pub(super) fn header(code: u32, header: &str) -> Self {
        let cause = Message {
            code,
            message: format!("Invalid format for {header} header"),
        };
        Self {
            chain: Some(cause),
            ..Self::new(400, 6003, "Invalid request headers")
        }
    }

    /// A refusal of the gateway.
    pub(super) fn bare(status: u16, code: u32, message: &str) -> Self {
        Self {
            bare: true,
            ..Self::new(status, code, message)
        }
    }

    pub(super) fn could_not_route(status: u16, request: &Request) -> Self {
        let path = request.path.strip_prefix(PREFIX).unwrap_or(&request.path);
        Self::new(
            status,
            7003,
            format!("Could not route to {path}, perhaps your object identifier is invalid?"),
        )
    }

    /// A route that the simulator does not have.
    pub(super) fn no_route(request: &Request) -> Self {
        let note = format!("route {} {}", request.method, request.path);
        Self {
            unexpected: Some(note),
            ..Self::could_not_route(404, request)
        }
    }

    /// A query parameter that the simulator does not have, or that has a value it does not take.
    pub(super) fn parameter(name: &str, value: &str) -> Self {
        let text = format!("query parameter {name}={value}");
        Self {
            unexpected: Some(text.clone()),
            ..Self::new(400, 7003, format!("Invalid {text}"))
        }
    }

    pub(super) fn into_answer(self) -> Answer {
        let body = RefusalBody {
            result: (!self.bare).then_some(None),
            success: false,
            errors: [ErrorItem {
                code: self.code,
                message: &self.message,
                error_chain: self.chain.as_ref().map(|cause| [cause]),
            }],
            messages: (!self.bare).then_some([]),
        };
        let answer = Answer::json(self.status, &body);
        match self.unexpected {
            Some(note) => answer.unexpected(note),
            None => answer,
        }
    }
}
