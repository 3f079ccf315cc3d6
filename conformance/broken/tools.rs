//! The four tools: their descriptions, calls and results.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{backend::ClerkError, caller::Caller, flaw::Flaw, server::Server};

/// Name, title and description of each tool, in list order.
const TOOLS: [(&str, &str, &str); 4] = [
    (
        "get-my-organizations",
        "Get My Organizations",
        "Lists the organizations of the signed-in user, with the user's role in each.",
    ),
    (
        "get-user-info",
        "Get User Info",
        "Returns the name, primary email address and picture of the signed-in user.",
    ),
    (
        "greet",
        "Greet User",
        "Greets by name and returns the caller's Clerk user ID.",
    ),
    (
        "whoami",
        "Who Am I",
        "Returns the session of the access token and the Clerk user.",
    ),
];

/// Returns the tools for `tools/list`.
pub(crate) fn tool_list(flaw: Option<Flaw>) -> Vec<Value> {
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
    let count = if has(Flaw::ToolMissing) { 3 } else { 4 };
    TOOLS.iter().take(count).map(describe).collect()
}

impl Server {
    /// Calls a tool. `Err` holds a result with `isError`. Returns `None` for an unknown tool.
    pub(crate) async fn call_tool(
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
        let accepted_by_flaw = |given: &str| given == "userId" && self.has(Flaw::UserIdFromArguments);
        let unknown = arguments
            .keys()
            .find(|given| !expected.contains(&given.as_str()) && !accepted_by_flaw(given));
        if let (Some(unknown), false) = (unknown, self.has(Flaw::UnknownArgumentsAccepted)) {
            let text = format!("failed to deserialize parameters: unknown field `{unknown}`");
            return Some(Err(self.error_result(&text)));
        }
        let user = arguments.get("userId").and_then(Value::as_str);
        let user = user
            .filter(|_| self.has(Flaw::UserIdFromArguments))
            .or(caller.user.as_deref());
        if arguments.is_empty() && self.settings.public_tool.as_deref() == Some(name) {
            return Some(Ok(greeting("you", user.unwrap_or("not known"))));
        }
        let Some(user) = user else {
            return Some(Err(self.error_result(
                "The token does not belong to a user. Sign in as a user and call again.",
            )));
        };
        if name == "greet"
            && self.has(Flaw::GreetAsksClerk)
            && let Err(error) = self.user(caller, user).await
        {
            return Some(Err(self.error_result(&error.sentence())));
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
                    return Some(Err(self.error_result(
                        "failed to deserialize parameters: `name` must be a string",
                    )));
                }
            },
            "whoami" => self.whoami(caller, user).await,
            "get-user-info" => self.user_info(caller, user).await,
            _ => self.organizations(caller, user).await,
        };
        Some(match outcome {
            Ok(result) => Ok(result),
            Err(Failure::Message(text)) => Err(self.error_result(text)),
            Err(Failure::Clerk(error)) if self.has(Flaw::ClerksErrorRepeated) => {
                let key = &self.settings.secret_key;
                Err(self.error_result(&format!("{error:?} for Authorization: Bearer {key}")))
            }
            Err(Failure::Clerk(error)) => Err(self.error_result(&error.sentence())),
        })
    }

    /// Returns the email address of a user in results.
    fn email<'a>(&self, user: &'a Value) -> Option<&'a Value> {
        if self.has(Flaw::FirstEmail) {
            return user.pointer("/email_addresses/0/email_address");
        }
        email(user)
    }

    /// Builds a result with `isError`.
    fn error_result(&self, text: &str) -> Value {
        let is_error = !self.has(Flaw::ToolErrorAsResult);
        json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
    }

    /// Runs `whoami`.
    async fn whoami(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let user = self.active_user(caller, id).await?;
        let caller = &self.with_role(caller, id).await?;
        let session = json!({
            "userId": id,
            "sessionId": self.optional(caller.session.as_deref()),
            "organizationId": self.optional(caller.organization.as_deref()),
            "organizationRole": self.optional(caller.role.as_deref()),
            "organizationPermissions": caller.permissions,
            "expiresAt": self.iso_time(caller.expires_at),
            "issuedAt": self.iso_time(caller.issued_at),
        });
        let person = json!({
            "id": user.get("id"),
            "email": self.email(&user),
            "firstName": user.get("first_name"),
            "lastName": user.get("last_name"),
            "imageUrl": user.get("image_url"),
            "createdAt": self.iso_time(user.get("created_at").and_then(Value::as_i64)),
            "updatedAt": self.iso_time(user.get("updated_at").and_then(Value::as_i64)),
        });
        Ok(self.data_result(json!({ "session": session, "user": person }), None))
    }

    /// Runs `get-user-info`.
    async fn user_info(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let user = if self.has(Flaw::BannedServedInOneTool) {
            let user = self.user(caller, id).await.map_err(Failure::Clerk)?;
            user.as_ref().clone()
        } else {
            self.active_user(caller, id).await?
        };
        let caller = &self.with_role(caller, id).await?;
        let info = json!({
            "userId": user.get("id"),
            "sessionId": self.optional(caller.session.as_deref()),
            "organizationId": self.optional(caller.organization.as_deref()),
            "organizationRole": self.optional(caller.role.as_deref()),
            "email": self.email(&user),
            "firstName": user.get("first_name"),
            "lastName": user.get("last_name"),
            "imageUrl": user.get("image_url"),
        });
        Ok(self.data_result(info, None))
    }

    /// Runs `get-my-organizations`.
    async fn organizations(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let memberships = self.memberships(caller, id).await.map_err(Failure::Clerk)?;
        let view = |membership: &Value| {
            let organization = membership.get("organization");
            json!({
                "id": membership.get("id"),
                "organizationId": organization.and_then(|one| one.get("id")),
                "organizationName": organization.and_then(|one| one.get("name")),
                "role": membership.get("role"),
                "createdAt": self.iso_time(membership.get("created_at").and_then(Value::as_i64)),
            })
        };
        let memberships: Vec<Value> = memberships.as_array().into_iter().flatten().map(view).collect();
        let none = memberships.is_empty();
        if none && self.has(Flaw::FailsWithoutOrganizations) {
            return Err(Failure::Message("No organization was found."));
        }
        let text = none.then_some("You are not a member of any organizations.");
        let data = json!({ "userId": id, "membershipCount": memberships.len(), "memberships": memberships });
        Ok(self.data_result(data, text))
    }

    /// Fetches the user from Clerk. Rejects banned, locked and deprovisioned users.
    async fn active_user(&self, caller: &Caller, id: &str) -> Result<Value, Failure> {
        let user = self.user(caller, id).await.map_err(Failure::Clerk)?;
        let flag = |name| user.get(name).and_then(Value::as_bool) == Some(true);
        if (flag("banned") || flag("locked") || flag("deprovisioned")) && !self.has(Flaw::BannedServed) {
            return Err(Failure::Message(
                "This account is banned or locked. Trying again won't help; contact the application's support.",
            ));
        }
        if email(&user).is_none() && self.has(Flaw::EmailNeeded) {
            return Err(Failure::Message("The user has no email address."));
        }
        Ok(user.as_ref().clone())
    }

    /// Adds the role and permissions that an OAuth caller has in the organization of the token now. The token
    /// contains neither.
    async fn with_role(&self, caller: &Caller, user: &str) -> Result<Caller, Failure> {
        let (Some(_), None, None) = (&caller.organization, &caller.session, &caller.role) else {
            return Ok(caller.clone());
        };
        match self.memberships(caller, user).await {
            Err(_) if self.has(Flaw::OutageAsNoRole) => Ok(caller.clone()),
            Err(error) => Err(Failure::Clerk(error)),
            Ok(memberships) => Ok(self.with_membership(caller, &memberships)),
        }
    }

    /// Adds the role and permissions of the membership in the organization of the token.
    pub(crate) fn with_membership(&self, caller: &Caller, memberships: &Value) -> Caller {
        let mut caller = caller.clone();
        let memberships = memberships.as_array().map(Vec::as_slice).unwrap_or_default();
        let in_organization = memberships.iter().find(|membership| {
            let id = membership.get("organization").and_then(|one| one.get("id"));
            id.and_then(Value::as_str) == caller.organization.as_deref()
        });
        let other = memberships
            .first()
            .filter(|_| self.has(Flaw::OtherOrganizationUsed));
        if let Some(membership) = in_organization.or(other) {
            let role = membership.get("role").and_then(Value::as_str);
            caller.role = role.map(str::to_owned);
            let permissions = membership.get("permissions").and_then(Value::as_array);
            let permissions = permissions.into_iter().flatten().filter_map(Value::as_str);
            caller.permissions = permissions.map(str::to_owned).collect();
        }
        caller
    }

    /// Builds a result with `structuredContent`. The text is the given sentence, or the same data as JSON.
    fn data_result(&self, mut data: Value, sentence: Option<&str>) -> Value {
        if self.has(Flaw::SnakeCase) {
            data = with_snake_case_names(data);
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

    /// Returns the text, or `null` if it is absent.
    fn optional(&self, text: Option<&str>) -> Value {
        match text {
            None if self.has(Flaw::EmptyForAbsent) => "".into(),
            text => text.into(),
        }
    }

    /// Returns a time in ISO 8601, or `null` if it is absent.
    fn iso_time(&self, milliseconds: Option<i64>) -> Value {
        match milliseconds.map(Timestamp::from_millisecond) {
            Some(Ok(time)) if self.has(Flaw::NumericTimes) => time.as_millisecond().into(),
            Some(Ok(time)) => time.to_string().into(),
            Some(Err(_)) | None => Value::Null,
        }
    }
}

/// Why a tool failed.
enum Failure {
    Clerk(ClerkError),
    Message(&'static str),
}

/// Builds the result of `greet`.
fn greeting(name: &str, user: &str) -> Value {
    let text = format!("Hello, {name}! Your Clerk user ID is {user}");
    json!({ "content": [{ "type": "text", "text": text }], "isError": false })
}

/// Returns the primary email address.
fn email(user: &Value) -> Option<&Value> {
    let primary = user.get("primary_email_address_id")?.as_str()?;
    let mut addresses = user.get("email_addresses")?.as_array()?.iter();
    let address = addresses.find(|address| address.get("id").is_some_and(|id| id == primary));
    address?.get("email_address")
}

/// Renames all members to `snake_case`.
fn with_snake_case_names(value: Value) -> Value {
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
    map_members(value, &|name, value| Some((snake(name), value)))
}

/// Removes all members that are `null`.
fn without_nulls(value: Value) -> Value {
    map_members(value, &|name, value| (!value.is_null()).then_some((name, value)))
}

/// Applies a change to every member at any depth. `None` removes the member.
fn map_members(value: Value, change: &dyn Fn(String, Value) -> Option<(String, Value)>) -> Value {
    match value {
        Value::Object(members) => {
            let members = members
                .into_iter()
                .filter_map(|(name, value)| change(name, map_members(value, change)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| map_members(item, change)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
