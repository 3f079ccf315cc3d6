//! The operations of the admin API: one table that both the router and `GET /admin` read.

use poem::http::Method;
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform as _},
};
use serde_json::{Value, json};

use super::{
    AdminError, PREFIX,
    directory::{
        self, AutoApproveBody, ClientDocumentBody, MachineBody, MemberBody, OrganizationBody, ResourceBody,
        SessionBody, UserBody,
    },
    faults::{self, FaultBody},
    keys::{self, PublishBody, RotateBody},
    requests,
    tokens::{self, TokenBody},
};
use crate::{
    http::incoming::Incoming,
    mint::TokenSpec,
    store::{endpoint::Endpoint, instance::Instance},
};

/// Returns the body of a 200 response, or an error.
pub(super) type Handler = fn(&Instance, &Incoming) -> Result<Value, AdminError>;

/// A method and path of the admin API, with what `GET /admin` says about it.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static Method,
    /// The path below [`PREFIX`]. A segment that begins with `:` is a parameter, see [`PATH_PARAMETERS`].
    pub(super) path: &'static str,
    description: &'static str,
    body: Option<Body>,
    pub(super) handler: Handler,
}

/// The JSON body that an operation expects.
#[derive(Clone, Copy)]
struct Body {
    schema: fn() -> Schema,
    /// A valid body, as JSON text.
    example: &'static str,
}

#[rustfmt::skip]
pub(super) const OPERATIONS: [Operation; 26] = [
    Operation::new(&Method::GET, "", "Returns this description.", describe),
    Operation::new(&Method::GET, "/state",
        "Returns the users, organizations, roles, machines, OAuth clients and key ids of the instance.", directory::state),
    Operation::new(&Method::POST, "/users", "Adds a user and returns it.", directory::add_user)
        .body::<UserBody>(r#"{"first_name":"Mary","last_name":"Somerville","email":"mary@example.com"}"#),
    Operation::new(&Method::POST, "/users/:user/ban",
        "Bans a user, who can then neither sign in nor refresh. Access tokens stay valid until they expire.",
        directory::ban),
    Operation::new(&Method::POST, "/users/:user/unban", "Lifts the ban of a user.", directory::unban),
    Operation::new(&Method::POST, "/users/:user/revoke-grants",
        "Revokes all OAuth grants of a user, with their refresh tokens and opaque access tokens. Returns the \
         number of grants as `revoked`.", directory::revoke_grants),
    Operation::new(&Method::POST, "/organizations",
        "Adds an organization and returns it.", directory::add_organization)
        .body::<OrganizationBody>(r#"{"name":"Celestial Mechanics"}"#),
    Operation::new(&Method::PUT, "/organizations/:organization/members/:user",
        "Adds a user to an organization, or changes the role of a member.", directory::put_member)
        .body::<MemberBody>(r#"{"role":"org:admin"}"#),
    Operation::new(&Method::DELETE, "/organizations/:organization/members/:user",
        "Removes a user from an organization.", directory::remove_member),
    Operation::new(&Method::POST, "/machines",
        "Adds a machine and returns it with its secret key.", directory::add_machine)
        .body::<MachineBody>(r#"{"name":"reporter","scopes":["mch_..."]}"#),
    Operation::new(&Method::PUT, "/client-documents",
        "Registers an OAuth client whose client id is a URL. The given client ID metadata document is used \
         instead of fetching the URL.", directory::pin_client_document)
        .body::<ClientDocumentBody>(r#"{"url":"https://app.example.com/client.json","document":{"client_id":"https://app.example.com/client.json","client_name":"App","redirect_uris":["http://127.0.0.1:3000/callback"]}}"#),
    Operation::new(&Method::PUT, "/resources",
        "Registers a resource. From the first one on, OAuth tokens are only issued for registered resources. \
         Returns all registered resources.", directory::register_resource)
        .body::<ResourceBody>(r#"{"resource":"http://127.0.0.1:3001/mcp"}"#),
    Operation::new(&Method::PUT, "/sessions/:session",
        "Sets the status of a session.", directory::set_session_status)
        .body::<SessionBody>(r#"{"status":"revoked"}"#),
    Operation::new(&Method::PUT, "/auto-approve",
        "Selects the user who signs in and consents to every authorization request without a page.",
        directory::set_auto_approve)
        .body::<AutoApproveBody>(r#"{"user":"ada@example.com"}"#),
    Operation::new(&Method::POST, "/tokens",
        "Mints a token, valid or invalid, and returns it as `token`. For an opaque access token, an opaque \
         machine token or an API key, also returns its `id` and `subject`.", tokens::mint)
        .body::<TokenSpec>(r#"{"kind":"session_token","user":"Ada","organization":"compiler-works","claims":{"exp":1}}"#),
    Operation::new(&Method::POST, "/tokens/revoke",
        "Revokes an opaque token or an API key, or the whole grant of a refresh token. A JWT cannot be \
         revoked.", tokens::revoke)
        .body::<TokenBody>(r#"{"token":"oat_..."}"#),
    Operation::new(&Method::POST, "/tokens/expire",
        "Makes an opaque token or an API key expire now, or revokes the whole grant of a refresh token. A JWT \
         cannot be expired.", tokens::expire)
        .body::<TokenBody>(r#"{"token":"oat_..."}"#),
    Operation::new(&Method::POST, "/keys/rotate",
        "Generates a new signing key. Returns its id and the ids of all published keys.", keys::rotate)
        .body::<RotateBody>(r#"{"overlap":true}"#),
    Operation::new(&Method::POST, "/keys",
        "Publishes an additional key in the JWKS: either the key of a signer (`of`, optionally changed by \
         `members`) or any JSON value (`jwk`). Returns the ids of all published keys.", keys::publish)
        .body::<PublishBody>(r#"{"of":"another_key","members":{"kid":"ins_x","use":"enc"}}"#),
    Operation::new(&Method::DELETE, "/keys/:kid",
        "Removes a key from the JWKS. The signing key still signs new tokens after its removal.",
        keys::unpublish),
    Operation::new(&Method::GET, "/faults", "Returns the active faults.", faults::list),
    Operation::new(&Method::POST, "/faults",
        "Injects a fault into the responses of the selected endpoints. Returns the fault with its id.",
        faults::inject)
        .body::<FaultBody>(r#"{"fault":"status","status":503,"endpoints":["jwks"],"times":2}"#),
    Operation::new(&Method::DELETE, "/faults",
        "Clears all faults. Held requests receive their response.", faults::clear_all),
    Operation::new(&Method::DELETE, "/faults/:id",
        "Clears one fault. The requests it holds receive their response.", faults::clear),
    Operation::new(&Method::GET, "/requests",
        "Returns the number of requests to each endpoint (`counters`) and the last 1000 requests. Requests to \
         the admin API are not included.", requests::list),
    Operation::new(&Method::DELETE, "/requests",
        "Sets all counters to zero and clears the list of requests.", requests::clear),
];

/// The parameters in the paths of [`OPERATIONS`].
const PATH_PARAMETERS: [(&str, &str); 5] = [
    (":user", "A user: id, email address or first name."),
    (":organization", "An organization: id or slug."),
    (":session", "A session id: the claim `sid` of a session token."),
    (":kid", "The id of a published key."),
    (":id", "The id of an active fault."),
];

impl Operation {
    const fn new(
        method: &'static Method,
        path: &'static str,
        description: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            method,
            path,
            description,
            body: None,
            handler,
        }
    }

    const fn body<T: JsonSchema>(self, example: &'static str) -> Self {
        let body = Body {
            schema: schema_of::<T>,
            example,
        };
        Self {
            body: Some(body),
            ..self
        }
    }

    fn to_json(self) -> Value {
        let mut operation = json!({
            "method": self.method.as_str(),
            "path": format!("{PREFIX}{}", self.path),
            "what": self.description,
        });
        if let (Some(body), Some(operation)) = (self.body, operation.as_object_mut()) {
            let schema = (body.schema)();
            for (name, keyword) in [("members", "properties"), ("required", "required")] {
                if let Some(value) = schema.get(keyword) {
                    operation.insert(name.to_owned(), value.clone());
                }
            }
            let example = serde_json::from_str(body.example).unwrap_or_default();
            operation.insert("body".to_owned(), example);
        }
        operation
    }
}

/// Returns the JSON Schema of `T`, without references, so that each part can be read on its own.
fn schema_of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // Doc comments are wrapped for the source code.
    RecursiveTransform(|schema: &mut Schema| {
        if let Some(Value::String(description)) = schema.get_mut("description") {
            *description = description.replace('\n', " ");
        }
    })
    .transform(&mut schema);
    schema
}

/// Returns whether the admin API has an operation with this method and path below `/admin`. Any non-empty
/// segment matches a path parameter.
pub fn is_operation(method: &str, path: &str) -> bool {
    OPERATIONS.iter().any(|operation| {
        let (expected, given) = (operation.path.split('/'), path.split('/'));
        operation.method == method
            && expected.clone().count() == given.clone().count()
            && expected
                .zip(given)
                .all(|(expected, given)| expected == given || expected.starts_with(':') && !given.is_empty())
    })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler in the table has the same type"
)]
fn describe(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    let parameters: serde_json::Map<String, Value> = PATH_PARAMETERS
        .iter()
        .map(|(name, description)| ((*name).to_owned(), json!(description)))
        .collect();
    let operations: Vec<Value> = OPERATIONS.iter().map(|operation| operation.to_json()).collect();
    let endpoints: Vec<&str> = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).collect();
    Ok(json!({
        "about": format!(
            "The admin API of the local Clerk at {}. `what` says what an operation does. `members` describes \
             the members of its JSON body in JSON Schema, `required` lists those that must be present, and \
             `body` is an example. Send a body with the header `Content-Type: application/json`; operations \
             without `members` need no body. Responses are JSON objects; an error has the member `error`.",
            instance.origin
        ),
        "path_parameters": parameters,
        "operations": operations,
        "endpoints": endpoints,
    }))
}
