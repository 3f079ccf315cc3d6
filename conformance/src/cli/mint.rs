//! `mint`: a token from a recipe, to try a server by hand.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::runner::recipe_for;
use local_clerk::{
    LocalClerk,
    mint::{TokenKind, TokenSpec},
};
use serde_json::Value;
use url::Url;

use super::{bare_url, print};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance mint session_token --clerk http://127.0.0.1:4567
      One that the server accepts which uses this local Clerk (clerk-mcp-conformance clerk --port 4567).
  clerk-mcp-conformance mint 'kind = \"session_token\", claims = { exp = \"@now-1h\" }' --clerk http://127.0.0.1:4567
      One that expired an hour ago.
  clerk-mcp-conformance mint '{\"kind\":\"oauth_token\",\"header\":{\"alg\":\"none\"},\"sign\":\"nobody\"}' --jwks keys.json
      One without a signature, by a Clerk that lives only for this; its keys go to a file.
  clerk-mcp-conformance mint 'kind = \"oauth_token\", resource = \"{mcp_url}\"' --url http://127.0.0.1:3001/mcp
      One for this server, as the recipes in reports have it.

A recipe is a kind (\"any\" makes a session token), or its members as TOML or JSON: kind, user, organization, version, client_id, scopes, resource, \
machine, subject, header, claims, raw_header, raw_claims, sign, damage, end (clerk-mcp-conformance schema --of token).

Exit codes: 0 minted, 2 the recipe is wrong, or the local Clerk is not there.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// What to make.
    recipe: String,
    /// Ask this local Clerk, instead of starting one for this token alone.
    #[arg(long, value_name = "URL", conflicts_with = "jwks")]
    clerk: Option<String>,
    /// The MCP endpoint that the token is for: what `{mcp_url}`, `{base_url}` and the like stand for in a recipe.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Write the key set that verifies the token.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut spec = parse(&arguments.recipe)?;
    if spec.kind == TokenKind::Any {
        // Most targets take it, and there is none here to say otherwise.
        spec.kind = TokenKind::SessionToken;
    }
    let mcp_url = arguments
        .url
        .as_deref()
        .map(|url| bare_url("--url", url))
        .transpose()?;
    let recipe = |issuer: &str| recipe_for(&spec, mcp_url.as_ref(), issuer).map_err(anyhow::Error::msg);
    if let Some(url) = &arguments.clerk {
        let url = bare_url("--clerk", url)?;
        let issuer = url.as_str().trim_end_matches('/');
        return print(&ask(&url, &recipe(issuer)?).await?);
    }
    let clerk = LocalClerk::builder().start().await?;
    let token = clerk.mint(&recipe(clerk.issuer())?)?;
    if let Some(path) = &arguments.jwks {
        let keys = serde_json::json!({ "keys": [clerk.signing_key().jwk()] });
        fs::write(path, serde_json::to_string_pretty(&keys)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    clerk.stop().await;
    print(&token)
}

async fn ask(url: &Url, spec: &TokenSpec) -> anyhow::Result<String> {
    let address = format!("{}/admin/tokens", url.as_str().trim_end_matches('/'));
    let response = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .post(&address)
        .json(spec)
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("there is no local Clerk at {url}: start one with `clerk`"))?;
    let answer: Value = response
        .json()
        .await
        .with_context(|| format!("{url} is no local Clerk"))?;
    match answer.get("token").and_then(Value::as_str) {
        Some(token) => Ok(token.to_owned()),
        None => anyhow::bail!(
            "{}",
            answer
                .get("error")
                .and_then(Value::as_str)
                .unwrap_or("it made no token")
        ),
    }
}

/// A recipe as the value of a member, for TOML has no inline table on its own.
#[derive(serde::Deserialize)]
struct Inline {
    recipe: TokenSpec,
}

/// A kind alone, JSON, or TOML: on lines, or as the members of an inline table.
fn parse(recipe: &str) -> anyhow::Result<TokenSpec> {
    let wrong = |error: &dyn std::fmt::Display| anyhow::anyhow!("the recipe is wrong: {error}");
    if recipe.trim_start().starts_with('{') {
        return serde_json::from_str(recipe).map_err(|error| wrong(&error));
    }
    if !recipe.contains('=') {
        let kind: TokenKind =
            serde_json::from_value(Value::from(recipe.trim())).map_err(|error| wrong(&error))?;
        return Ok(TokenSpec::of(kind));
    }
    if let Ok(spec) = toml::from_str(recipe) {
        return Ok(spec);
    }
    let inline: Inline =
        toml::from_str(&format!("recipe = {{ {recipe} }}")).map_err(|error| wrong(&error.message()))?;
    Ok(inline.recipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_kinds_json_or_toml() {
        let expired = parse(r#"{"kind":"session_token","claims":{"exp":"@now-1h"}}"#).unwrap();
        assert_eq!(
            parse("kind = \"session_token\", claims = { exp = \"@now-1h\" }").unwrap(),
            expired
        );
        assert_eq!(
            parse("kind = \"session_token\"\nclaims = { exp = \"@now-1h\" }").unwrap(),
            expired
        );
        assert_eq!(parse("api_key").unwrap(), TokenSpec::of(TokenKind::ApiKey));
        for wrong in ["password", "kind = \"session_token\", claim = {}", "{}"] {
            parse(wrong).unwrap_err();
        }
    }
}
