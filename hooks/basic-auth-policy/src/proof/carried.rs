//! What every request of a proof carries beside credentials.

use std::path::Path;

use common::error::{Error, Result};
use common::net::http::Request;
use common::secret::Secret;
use common::settings;
use common::system::files;
use reqwest::header::{HeaderName, HeaderValue};

use crate::args::RequestArgs;

/// A request is small.
const LARGEST: u64 = 1024 * 1024;

/// The type of a body unless a header says otherwise.
const JSON: &str = "application/json";

/// Headers and body.
#[derive(Debug, Default)]
pub(super) struct Carried {
    headers: Vec<(HeaderName, Secret)>,
    body: Option<(String, Vec<u8>)>,
}

impl Carried {
    /// Reads `--header` and `--body-file`.
    pub(super) fn read(args: &RequestArgs) -> Result<Self> {
        let headers = args
            .header
            .iter()
            .map(|text| header(text))
            .collect::<Result<Vec<_>>>()?;
        let kind = headers.iter().position(|(name, _)| name == "content-type");
        let mut carried = Self {
            headers,
            body: None,
        };
        if let Some(file) = &args.body_file {
            let body = files::read("the file that --body-file names,", file, LARGEST)?;
            let kind = kind.map_or_else(
                || JSON.to_owned(),
                |index| carried.headers.remove(index).1.expose().to_owned(),
            );
            carried.body = Some((kind, body));
        }
        Ok(carried)
    }

    /// The request with all of it.
    pub(super) fn add_to<'h>(&self, mut request: Request<'h>) -> Request<'h> {
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.expose());
        }
        match &self.body {
            Some((kind, body)) => request.body(kind, body.clone()),
            None => request,
        }
    }
}

fn header(text: &str) -> Result<(HeaderName, Secret)> {
    // The value is not shown: it may be a key.
    let wrong = || Error::config("--header is not 'NAME: VALUE' or 'NAME: @FILE'");
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
    if name == "authorization" {
        return Err(Error::config(
            "--header Authorization would hide what the policy does: the proof sends its own",
        )
        .advise("User and password come from BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD."));
    }
    let value = match value.trim().strip_prefix('@') {
        Some(file) => settings::secret_in(&format!("--header {name}"), Path::new(file))?,
        None => Secret::new(value.trim()),
    };
    HeaderValue::from_str(value.expose()).map_err(|_| wrong())?;
    Ok((name, value))
}
