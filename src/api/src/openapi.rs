//! What HTTP offers, as OpenAPI 3.1. Enter: routes with their descriptions, which utoipa makes of the very functions that answer
//! and the very types that are written. Leaves: the description of a running server.
//!
//! Invariant: a route and its description are added by one call, and what stands before a route adds itself to both; so neither
//! says what the other lacks.

use super::problem::{self, Problem};
use super::sign::role::Right;
use super::sign::{self, Doorway, PROOF};
use axum::http::Method;
use serde::Serialize;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Info, ObjectBuilder, OpenApi, Paths, Ref, RefOr, Required, Response, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

/// By a token of `genims user token`.
const TOKEN: &str = "token";
/// By the cookie of a browser that has signed in.
const SESSION: &str = "session";

/// What a server tells of itself.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) json: String,
    pub(crate) index: Index,
}

/// The paths of the API.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Index {
    version: u32,
    paths: Vec<Entry>,
}

/// A path, and what it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Entry {
    method: String,
    path: String,
    meaning: String,
}

/// What every description begins with.
pub(crate) fn opened() -> OpenApi {
    let mut info = Info::new("GenIMS", env!("CARGO_PKG_VERSION"));
    let description = "What `genims serve` shows of itself and of machines. Every answer of the API is a part of one snapshot, \
                       but for `/api/v1/machines`, `/api/v1/operations` and `/api/v1/audit/trail`: these are of \
                       the databases that know.";
    info.description = Some(description.to_owned());
    OpenApi::new(info, Paths::new())
}

/// [`sign::guarded`], described.
pub(crate) fn guarded<S: Clone + Send + Sync + 'static>(
    routes: OpenApiRouter<S>,
    doorway: &Doorway,
    right: Right,
) -> OpenApiRouter<S> {
    let (routes, mut api) = routes.split_for_parts();
    if doorway.asks(right) {
        operations(&mut api.paths).for_each(|(_, method, operation)| lock(&method, operation));
    }
    OpenApiRouter::with_openapi(api).merge(sign::guarded(routes, doorway, right).into())
}

fn operations(paths: &mut Paths) -> impl Iterator<Item = (&str, Method, &mut Operation)> {
    paths.paths.iter_mut().flat_map(|(path, item)| {
        let PathItem { get, put, post, delete, patch, .. } = item;
        let all = [
            (Method::GET, get),
            (Method::PUT, put),
            (Method::POST, post),
            (Method::DELETE, delete),
            (Method::PATCH, patch),
        ];
        all.into_iter().filter_map(move |(method, operation)| Some((path.as_str(), method, operation.as_mut()?)))
    })
}

/// Only who has signed in may.
fn lock(method: &Method, operation: &mut Operation) {
    let requirement = |scheme| SecurityRequirement::new(scheme, Vec::<String>::new());
    operation.security = Some([TOKEN, SESSION].map(requirement).into());
    answer(operation, "401", "Nobody has signed in.");
    answer(operation, "403", "Whoever has signed in may not.");
    if !method.is_safe() {
        let proof = Parameter::builder()
            .name(PROOF)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("The proof of `/api/v1/session`, where a session asks and no token."))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        operation.parameters.get_or_insert_default().push(proof.build().into());
    }
}

/// A problem is an answer, too.
fn answer(operation: &mut Operation, status: &str, description: &str) {
    let schema = Ref::from_schema_name(Problem::name());
    let response = Response::builder().description(description);
    let response = response.content(problem::MEDIA_TYPE, Content::new(Some(schema))).build();
    operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.into());
}

impl Description {
    /// `prefix`: where the paths of the index begin.
    pub(crate) fn of(mut api: OpenApi, doorway: &Doorway, prefix: &str) -> Self {
        // What takes slashes, too, is marked for axum alone.
        let paths = std::mem::take(&mut api.paths.paths).into_iter();
        api.paths.paths = paths.map(|(path, item)| (path.replace("{*", "{"), item)).collect();
        let mut entries = Vec::new();
        for (path, method, operation) in operations(&mut api.paths) {
            if operation.parameters.iter().flatten().any(is_query) {
                answer(operation, "400", "The question is not understood.");
            }
            answer(operation, "default", "Anything else.");
            if path.starts_with(prefix) {
                let meaning = operation.summary.clone().unwrap_or_default();
                entries.push(Entry { method: method.to_string(), path: path.to_owned(), meaning });
            }
        }
        let components = api.components.get_or_insert_default();
        components.schemas.insert(Problem::name().into(), Problem::schema());
        components.schemas.values_mut().for_each(require_all);
        components.security_schemes.extend(schemes(doorway));
        // It has no map with keys that are no text: it always has a form as JSON.
        Self { json: api.to_json().unwrap_or_default(), index: Index { version: 1, paths: entries } }
    }
}

fn is_query(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Query))
}

/// What is `None` is written as `null`: no key is ever left out.
fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => object.required = object.properties.keys().cloned().collect(),
        RefOr::T(Schema::AllOf(parts)) => parts.items.iter_mut().for_each(require_all),
        _ => {}
    }
}

fn schemes(doorway: &Doorway) -> [(String, RefOr<SecurityScheme>); 2] {
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.description = Some("A token of `genims user token`.".to_owned());
    let cookie = doorway.sign.as_ref().map_or(sign::COOKIE, |sign| sign.cookie());
    let session = ApiKeyValue::with_description(cookie, "The cookie of a browser that has signed in at `/sign-in`.");
    let (token, session) = (SecurityScheme::Http(token), SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    [(TOKEN.to_owned(), token.into()), (SESSION.to_owned(), session.into())]
}
