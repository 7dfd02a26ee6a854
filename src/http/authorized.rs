//! The permission in a handler's type: what handlers share, and the body of the request, come only through
//! [`Authorized`], so none can be written that forgets to ask.
//!
//! The order is fixed here: the declared size, the token, the permission, and only then, when the handler asks for it,
//! the body.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    net::IpAddr,
};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{
        Method,
        header::{self, HeaderMap},
    },
    web,
};

use super::{
    ApiError, Public, Service,
    auth::Holder,
    body::{Body, Gate},
    fields::Fields,
};
use crate::domain::permission::Permission;

/// What a handler needs of its caller.
pub(super) trait Needs {
    /// The permission.
    const PERMISSION: Permission;

    /// Which bodies it takes.
    fn gate(service: &Service) -> &Gate {
        &service.orders
    }
}

/// Posts.
pub(super) struct Ingest;
/// Reads.
pub(super) struct View;
/// Orders.
pub(super) struct Operate;

impl Needs for Ingest {
    const PERMISSION: Permission = Permission::Ingest;

    fn gate(service: &Service) -> &Gate {
        &service.posts
    }
}

impl Needs for View {
    const PERMISSION: Permission = Permission::View;
}

impl Needs for Operate {
    const PERMISSION: Permission = Permission::Operate;
}

/// A request whose caller has the permission `P`.
pub(super) struct Authorized<P> {
    /// The token's name.
    pub(super) who: String,
    /// The address that it came from. `X-Forwarded-For` is not asked: anybody can write it.
    pub(super) source: String,
    service: web::Data<Service>,
    query: String,
    payload: Payload,
    length: Option<u64>,
    encoded: bool,
    permission: PhantomData<P>,
}

impl<P: Needs> Authorized<P> {
    /// What handlers share.
    pub(super) fn public(&self) -> &Public {
        &self.service.public
    }

    /// The parameters of the query, which can be these only.
    pub(super) fn query(&self, known: &[&str]) -> Result<Fields, ApiError> {
        Fields::of_query(&self.query, known)
    }

    /// Reads the body.
    pub(super) async fn body(&mut self) -> Result<Body, ApiError> {
        if self.encoded {
            return Err(ApiError::malformed("the body must come without a Content-Encoding"));
        }
        P::gate(&self.service).read(&mut self.payload, self.length).await
    }

    fn judge(request: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let service = request
            .app_data::<web::Data<Service>>()
            .expect("the public app holds its service")
            .clone();
        let length = content_length(request.headers());
        P::gate(&service).admit(length)?;
        let holder = holder(request, &service)?;
        if !holder.permissions.contains(&P::PERMISSION) {
            return Err(ApiError::Forbidden(P::PERMISSION));
        }
        Ok(Self {
            who: holder.name,
            source: request
                .peer_addr()
                .map(|peer| peer.ip().to_canonical().to_string())
                .unwrap_or_default(),
            service,
            query: request.query_string().to_owned(),
            payload: payload.take(),
            length,
            encoded: is_encoded(request.headers()),
            permission: PhantomData,
        })
    }
}

impl<P: Needs> FromRequest for Authorized<P> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Self::judge(request, payload))
    }
}

/// Who asks. Browsers send no bearer token by themselves, and there are no cookies, so a page that somebody looks at
/// cannot order anything in their name. Only without any tokens it could: then requests that come from pages are refused.
fn holder(request: &HttpRequest, service: &Service) -> Result<Holder, ApiError> {
    let tokens = &service.public.tokens;
    if tokens.required() {
        return bearer(request.headers())
            .and_then(|token| tokens.holder(token))
            .ok_or(ApiError::Unauthenticated);
    }
    if is_from_a_page(request) {
        return Err(ApiError::WebPage);
    }
    Ok(Holder {
        name: "anonymous".to_owned(),
        permissions: Permission::ALL.to_vec(),
    })
}

/// The token of `Authorization: Bearer TOKEN`; two such headers are one too many to know which is meant.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let value = values.next()?.as_bytes();
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Pages of other sites send `Origin` with everything but plain reads; a site whose name was made to point to our
/// address can read too, but cannot hide that name.
fn is_from_a_page(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let foreign_host = headers.get(header::HOST).is_some_and(|host| {
        let host = host.to_str().unwrap_or_default();
        !is_loopback(host)
    });
    let writes = request.method() != Method::GET;
    foreign_host || (writes && headers.contains_key(header::ORIGIN))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        // Not the last part of an IPv6 address, which stands in brackets.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(
        |_| name.eq_ignore_ascii_case("localhost"),
        |address| address.is_loopback(),
    )
}

/// actix has refused lengths that are not numbers, and two of them.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_scheme_is_bearer_in_any_case_and_stands_once() {
        let token = |values: &[&str]| {
            let mut request = TestRequest::default();
            for value in values {
                request = request.append_header(("Authorization", *value));
            }
            bearer(request.to_http_request().headers()).map(<[u8]>::to_vec)
        };
        assert_eq!(token(&["Bearer abc"]).unwrap(), b"abc");
        assert_eq!(token(&["bearer  abc "]).unwrap(), b"abc");
        for values in [
            &[][..],
            &["abc"],
            &["Basic abc"],
            &["Bearer"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(token(values), None, "{values:?}");
        }
    }

    #[test]
    fn a_loopback_host_is_known_in_all_its_spellings() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1",
            "[2001:db8::1]:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
