//! The four tools.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{caller::Caller, clerk::ClerkError, flaw::Flaw, server::Server};

/// Name, title and description, in the order they are listed in.
const TOOLS: [(&str, &str, &str); 4] = [
    (
        "get-my-organizations",
        "Get My Organizations",
        "Lists every organization that the signed-in user is a member of, with the role there.",
    ),
    (
        "get-user-info",
        "Get User Info",
        "Gives the signed-in user's name, primary e-mail address and picture.",
    ),
    (
        "greet",
        "Greet User",
        "Greets by name and tells the caller's Clerk user ID.",
    ),
    (
        "whoami",
        "Who Am I",
        "Tells who is signed in: the session of the access token, and the user at Clerk.",
    ),
];

/// What `tools/list` says.
pub(crate) fn descriptions(flaw: Option<Flaw>) -> Vec<Value> {
    let has = |one| flaw == Some(one);
    let text = json!({ "type": "string" });
    let optional = json!({ "type": ["string", "null"] });
    let describe = |(name, title, description): &(&str, &str, &str)| {
        let mut input =
            json!({ "type": "object", "additionalProperties": has(Flaw::UnknownArgumentsAccepted) });
        if let (Some(input), "greet") = (input.as_object_mut(), *name) {
            input.insert("properties".to_owned(), json!({ "name": text }));
            input.insert("required".to_owned(), json!(["name"]));
        }
        let mut tool = json!({ "name": name, "description": description, "inputSchema": input });
        let output = match *name {
            "whoami" => Some(json!({ "session": { "type": "object" }, "user": { "type": "object" } })),
            "get-user-info" => Some(json!({
                "userId": text, "sessionId": optional, "organizationId": optional, "organizationRole": optional,
                "email": optional, "firstName": optional, "lastName": optional, "imageUrl": optional,
            })),
            "get-my-organizations" => Some(json!({
                "userId": text,
                "membershipCount": { "type": "integer", "minimum": 0 },
                "memberships": { "type": "array", "items": { "type": "object" } },
            })),
            _ => None,
        };
        if let (Some(tool), false) = (tool.as_object_mut(), has(Flaw::NoAnnotations)) {
            tool.insert("title".to_owned(), (*title).into());
            tool.insert(
                "annotations".to_owned(),
                json!({
                    "title": title, "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
                    "openWorldHint": false,
                }),
            );
            if let Some(properties) = output {
                let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
                let schema = json!({ "type": "object", "properties": properties, "required": required });
                tool.insert("outputSchema".to_owned(), schema);
            }
        }
        tool
    };
    let left = if has(Flaw::ToolMissing) { 3 } else { 4 };
    TOOLS.iter().take(left).map(describe).collect()
}

impl Server {
    /// The result of a tool: `Err` is one with `isError`. `None`: there is no such tool.
    pub(crate) async fn call(
        &self,
        caller: &Caller,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Option<Result<Value, Value>> {
        TOOLS.iter().find(|(known, _, _)| *known == name)?;
        if self.has(Flaw::ToolMissing) && name == "whoami" {
            return None;
        }
        let expected: &[&str] = if name == "greet" { &["name"] } else { &[] };
        let spared = |given: &str| given == "userId" && self.has(Flaw::UserIdFromArguments);
        let unknown = arguments
            .keys()
            .find(|given| !expected.contains(&given.as_str()) && !spared(given));
        if let (Some(unknown), false) = (unknown, self.has(Flaw::UnknownArgumentsAccepted)) {
            let text = format!("failed to deserialize parameters: unknown field `{unknown}`");
            return Some(Err(self.failed(&text)));
        }
        let user = arguments.get("userId").and_then(Value::as_str);
        let user = user
            .filter(|_| self.has(Flaw::UserIdFromArguments))
            .or(caller.user.as_deref());
        let Some(user) = user else {
            return Some(Err(
                self.failed("the token speaks for no user; sign in as a user and call again")
            ));
        };
        if name == "greet"
            && self.has(Flaw::GreetAsksClerk)
            && let Err(error) = self.user(caller, user).await
        {
            return Some(Err(self.failed(&error.sentence())));
        }
        let outcome = match name {
            "greet" if self.has(Flaw::GreetsSession) => {
                Ok(greeting("you", caller.session.as_deref().unwrap_or_default()))
            }
            "greet" => match arguments.get("name") {
                Some(Value::String(name)) => Ok(greeting(name, user)),
                other if self.has(Flaw::ArgumentsUnchecked) => {
                    Ok(greeting(&other.cloned().unwrap_or_default().to_string(), user))
                }
                _ => {
                    return Some(Err(
                        self.failed("failed to deserialize parameters: `name` must be a string")
                    ));
                }
            },
            "whoami" => self.whoami(caller, user).await,
            "get-user-info" => self.user_info(caller, user).await,
            _ => self.organizations(caller, user).await,
        };
        Some(match outcome {
            Ok(result) => Ok(result),
            Err(Failure::Said(text)) => Err(self.failed(text)),
            Err(Failure::Clerk(error)) if self.has(Flaw::ClerksErrorRepeated) => {
                let key = &self.settings.secret_key;
                Err(self.failed(&format!("{error:?} for Authorization: Bearer {key}")))
            }
            Err(Failure::Clerk(error)) => Err(self.failed(&error.sentence())),
        })
    }

    /// A result with `isError`.
    fn failed(&self, text: &str) -> Value {
        let failed = !self.has(Flaw::ToolErrorAsResult);
        json!({ "content": [{ "type": "text", "text": text }], "isError": failed })
    }

    async fn whoami(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let user = self.welcome_user(caller, id).await?;
        let session = json!({
            "userId": id,
            "sessionId": self.optional(caller.session.as_deref()),
            "organizationId": self.optional(caller.organization.as_deref()),
            "organizationRole": self.optional(caller.role.as_deref()),
            "organizationPermissions": caller.permissions,
            "expiresAt": self.date(caller.expires_at),
            "issuedAt": self.date(caller.issued_at),
        });
        let person = json!({
            "id": user.get("id"),
            "email": email(&user),
            "firstName": user.get("first_name"),
            "lastName": user.get("last_name"),
            "imageUrl": user.get("image_url"),
            "createdAt": self.date(user.get("created_at").and_then(Value::as_i64)),
            "updatedAt": self.date(user.get("updated_at").and_then(Value::as_i64)),
        });
        Ok(self.data(json!({ "session": session, "user": person }), None))
    }

    async fn user_info(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let user = self.welcome_user(caller, id).await?;
        let info = json!({
            "userId": user.get("id"),
            "sessionId": self.optional(caller.session.as_deref()),
            "organizationId": self.optional(caller.organization.as_deref()),
            "organizationRole": self.optional(caller.role.as_deref()),
            "email": email(&user),
            "firstName": user.get("first_name"),
            "lastName": user.get("last_name"),
            "imageUrl": user.get("image_url"),
        });
        Ok(self.data(info, None))
    }

    async fn organizations(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let memberships = self.memberships(caller, id).await.map_err(Failure::Clerk)?;
        let view = |membership: &Value| {
            let organization = membership.get("organization");
            json!({
                "id": membership.get("id"),
                "organizationId": organization.and_then(|one| one.get("id")),
                "organizationName": organization.and_then(|one| one.get("name")),
                "role": membership.get("role"),
                "createdAt": self.date(membership.get("created_at").and_then(Value::as_i64)),
            })
        };
        let memberships: Vec<Value> = memberships.as_array().into_iter().flatten().map(view).collect();
        let none = memberships.is_empty();
        if none && self.has(Flaw::NobodyForNone) {
            return Err(Failure::Said("No organization was found."));
        }
        let text = none.then_some("You are not a member of any organizations.");
        let data = json!({ "userId": id, "membershipCount": memberships.len(), "memberships": memberships });
        Ok(self.data(data, text))
    }

    /// The user at Clerk, unless they are not welcome.
    async fn welcome_user(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let user = self.user(caller, id).await.map_err(Failure::Clerk)?;
        let flag = |name| user.get(name).and_then(Value::as_bool) == Some(true);
        if (flag("banned") || flag("locked") || flag("deprovisioned")) && !self.has(Flaw::BannedServed) {
            return Err(Failure::Said(
                "This account is banned or locked. Trying again won't help; ask the application's support.",
            ));
        }
        if email(&user).is_none() && self.has(Flaw::EmailNeeded) {
            return Err(Failure::Said("The user has no address."));
        }
        Ok(user.as_ref().clone())
    }

    /// Data as `structuredContent`, and as the same JSON in a text, unless a sentence says more.
    fn data(&self, mut data: Value, sentence: Option<&str>) -> Value {
        if self.has(Flaw::SnakeCase) {
            data = renamed(data);
        }
        if self.has(Flaw::AbsentLeftOut) {
            data = without_nulls(data);
        }
        let pretty = serde_json::to_string_pretty(&data).unwrap_or_default();
        let text = match sentence {
            Some(sentence) => sentence.to_owned(),
            None if self.has(Flaw::TextDiffers) => "Done.".to_owned(),
            None => pretty,
        };
        let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": false });
        if let (Some(members), false) = (result.as_object_mut(), self.has(Flaw::StructuredMissing)) {
            members.insert("structuredContent".to_owned(), data);
        }
        result
    }

    fn optional(&self, text: Option<&str>) -> Value {
        match text {
            None if self.has(Flaw::EmptyForAbsent) => "".into(),
            text => text.into(),
        }
    }

    /// ISO 8601.
    fn date(&self, milliseconds: Option<i64>) -> Value {
        match milliseconds.map(Timestamp::from_millisecond) {
            Some(Ok(time)) if self.has(Flaw::NumericTimes) => time.as_millisecond().into(),
            Some(Ok(time)) => time.to_string().into(),
            Some(Err(_)) | None => Value::Null,
        }
    }
}

/// Why a tool has no result.
enum Failure {
    Clerk(ClerkError),
    Said(&'static str),
}

fn greeting(name: &str, user: &str) -> Value {
    let text = format!("Hello, {name}! Your Clerk user ID is {user}");
    json!({ "content": [{ "type": "text", "text": text }], "isError": false })
}

/// The primary address.
fn email(user: &Value) -> Option<&Value> {
    let primary = user.get("primary_email_address_id")?.as_str()?;
    let mut addresses = user.get("email_addresses")?.as_array()?.iter();
    let address = addresses.find(|address| address.get("id").is_some_and(|id| id == primary));
    address?.get("email_address")
}

fn renamed(value: Value) -> Value {
    let snake = |name: String| {
        let mut snake = String::new();
        for character in name.chars() {
            if character.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(character.to_ascii_lowercase());
        }
        snake
    };
    changed(value, &|name, value| Some((snake(name), value)))
}

fn without_nulls(value: Value) -> Value {
    changed(value, &|name, value| (!value.is_null()).then_some((name, value)))
}

/// The same with every member changed, or left out.
fn changed(value: Value, change: &dyn Fn(String, Value) -> Option<(String, Value)>) -> Value {
    match value {
        Value::Object(members) => {
            let members = members
                .into_iter()
                .filter_map(|(name, value)| change(name, changed(value, change)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| changed(item, change)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
