//! `mint`: creates a token from a recipe, for manual tests.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{near_miss::with_suggestion, runner::recipe_for};
use local_clerk::{
    LocalClerk,
    mint::{TokenKind, TokenSpec},
};
use serde_json::Value;
use url::Url;

use super::{bare_url, print};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance mint session_token --clerk http://127.0.0.1:4567
      A valid token for a server that uses this local Clerk (clerk-mcp-conformance clerk --port 4567).
  clerk-mcp-conformance mint 'kind = \"session_token\", claims = { exp = \"@now-1h\" }' --clerk http://127.0.0.1:4567
      A token that expired an hour ago.
  clerk-mcp-conformance mint '{\"kind\":\"oauth_token\",\"header\":{\"alg\":\"none\"},\"sign\":\"none\"}' --jwks keys.json
      An unsigned token from a temporary local Clerk, whose key set is written to a file.
  clerk-mcp-conformance mint 'kind = \"oauth_token\", resource = \"{mcp_url}\"' --url http://127.0.0.1:3001/mcp
      A token for this server. Recipes in reports contain {mcp_url}.

A recipe is a kind of token (\"any\" creates a session token), or TOML or JSON with these members: kind, user, \
organization, version, client_id, scopes, resource, machine, subject, header, claims, raw_header, raw_claims, sign, \
damage, end. See clerk-mcp-conformance schema --of token.

Exit codes: 0 created, 2 the recipe is invalid, or the local Clerk is unreachable.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Recipe of the token.
    recipe: String,
    /// Create the token with this local Clerk, instead of a temporary one.
    #[arg(long, value_name = "URL", conflicts_with = "jwks")]
    clerk: Option<String>,
    /// MCP endpoint that the token is for. Gives `{mcp_url}`, `{base_url}` and similar placeholders their
    /// values.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Write the key set that verifies the token to this file.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut spec = parse(&arguments.recipe)?;
    if spec.kind == TokenKind::Any {
        // Most servers accept session tokens, and no profile says which kinds this server accepts.
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
        return print(&mint_with(&url, &recipe(issuer)?).await?);
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

/// Creates a token with the local Clerk at `url`.
async fn mint_with(url: &Url, spec: &TokenSpec) -> anyhow::Result<String> {
    let address = format!("{}/admin/tokens", url.as_str().trim_end_matches('/'));
    let response = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .post(&address)
        .json(spec)
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("no local Clerk is reachable at {url}: start one with `clerk`"))?;
    let answer: Value = response
        .json()
        .await
        .with_context(|| format!("the server at {url} is not a local Clerk"))?;
    match answer.get("token").and_then(Value::as_str) {
        Some(token) => Ok(token.to_owned()),
        None => anyhow::bail!(
            "{}",
            answer
                .get("error")
                .and_then(Value::as_str)
                .unwrap_or("the local Clerk returned no token")
        ),
    }
}

/// Wraps a recipe in a member, because a TOML document cannot be an inline table.
#[derive(serde::Deserialize)]
struct Inline {
    recipe: TokenSpec,
}

/// Parses a recipe: a kind, JSON, a TOML document, or the members of a TOML inline table.
fn parse(recipe: &str) -> anyhow::Result<TokenSpec> {
    let invalid = |error: &dyn std::fmt::Display| {
        anyhow::anyhow!("invalid recipe: {}", with_suggestion(&error.to_string()))
    };
    if recipe.trim_start().starts_with('{') {
        return serde_json::from_str(recipe).map_err(|error| invalid(&error));
    }
    if !recipe.contains('=') {
        let kind: TokenKind =
            serde_json::from_value(Value::from(recipe.trim())).map_err(|error| invalid(&error))?;
        return Ok(TokenSpec::of(kind));
    }
    if let Ok(spec) = toml::from_str(recipe) {
        return Ok(spec);
    }
    let inline: Inline =
        toml::from_str(&format!("recipe = {{ {recipe} }}")).map_err(|error| invalid(&error.message()))?;
    Ok(inline.recipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_kinds_json_and_toml() {
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
        for invalid in ["password", "kind = \"session_token\", claim = {}", "{}"] {
            parse(invalid).unwrap_err();
        }
    }
}
