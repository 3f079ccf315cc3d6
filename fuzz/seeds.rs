//! Writes the seeds of the fuzz targets: tokens of the local Clerk and defects of them, signatures of
//! Wycheproof, the suite's profiles and cases, and messages of each revision of MCP.

use std::{error::Error, fs, path::Path};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use local_clerk::{LocalClerk, mint::Recipe};
use serde_json::json;
use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

/// The values that the target `claims` expects.
const ISSUER: &str = "https://clerk.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: i64 = 1_772_366_400;

fn main() -> Result<(), Box<dyn Error>> {
    let clerk = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(LocalClerk::builder().start())?;
    let recipes = [
        clerk.session_token("ada")?,
        clerk.session_token("grace")?,
        clerk.oauth_token("ada", "client_fuzz", &["profile", "email"], Some(RESOURCE))?,
    ];
    let recipes = recipes.map(|recipe| {
        recipe.claim("iss", ISSUER).claim("iat", NOW - 10).claim("nbf", NOW - 10).claim("exp", NOW + 60)
    });
    let changed: Vec<Recipe> = recipes
        .iter()
        .flat_map(|recipe| {
            let recipe = || recipe.clone();
            [
                recipe(),
                recipe().header("alg", "none").unsigned(),
                recipe().header("crit", json!(["b64"])),
                recipe().header("cat", "cl_B7d4PD333AAA"),
                recipe().header("typ", "application/at+jwt"),
                recipe().without_header("kid"),
                recipe().claim("sub", "mch_2abc"),
                recipe().claim("exp", NOW - 5),
                recipe().claim("exp", "1"),
                recipe().claim("nbf", NOW + 6),
                recipe().claim("aud", json!(["https://other.example.com", RESOURCE])),
                recipe().claim("sts", "pending"),
                recipe().claim("act", json!({ "sub": "user_2admin" })),
                recipe().claim("org_id", "org_2abc").claim("org_permissions", json!(["org:a:read"])),
                recipe().claim("v", 2).claim("fea", "o:a,uo:b").claim(
                    "o",
                    json!({ "id": "org_2abc", "rol": "admin", "slg": "abc", "per": "read,write", "fpm": "3,1" }),
                ),
                recipe().raw_claims(r#"{"sub":"user_2a","sub":"user_2b"}"#),
            ]
        })
        .collect();
    let tokens: Vec<String> = changed.iter().map(Recipe::mint).collect();

    let mut claims: Vec<Vec<u8>> = Vec::new();
    for kind in 0..3_u8 {
        claims.extend(changed.iter().map(|recipe| [&[kind], recipe.claims_json().as_bytes()].concat()));
    }
    write("claims", claims)?;

    let mut jose = tokens.clone();
    let head = tokens[0].rsplit_once('.').ok_or("a token has three parts")?.0;
    // Signatures of every length and form. Few of them are needed for each flag.
    for group in TestSet::load(TestName::Rsa2048Sha256)?.test_groups {
        for test in group.tests.iter().step_by(20) {
            jose.push(format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(&test.sig)));
        }
    }
    jose.extend(["..", "a.b.c", "e30.e30.", "e30.e30.AA==", "e30.e30.AB", ""].map(str::to_owned));
    write("jose", jose)?;

    let mut headers: Vec<String> = tokens.iter().take(4).map(|token| format!("Bearer {token}")).collect();
    headers.extend(
        [
            "", "Bearer", "Bearer ", "bearer  a.b-c_d~e+f/g== ", "Basic dXNlcjpwdw==", "Bearer a\nBearer b",
            "Bearer a, Basic b", "Digest a=b, c=\"d\"", "Bearer oat_abc", "Bearer\ta", "Bearer a\u{a0}",
        ]
        .map(str::to_owned),
    );
    write("authorization", headers)?;

    write(
        "permissions",
        [
            "o:dashboard,o:teams\nmanage,read\n3,2",
            "o:repositories,uo:projects,u:gold\nread,create,update,delete,revoke\n7,21,0",
            "u:gold,o:repositories,o:billing\nmanage,read\n0,3,1",
            " o:a , o:b \n read , write \n 1 , 2 ",
            "o:a,broken\nread\n1,1",
            "o:f\na,b,c\n9007199254740993",
            "o:f\nread\n-1",
            "\n\n",
        ]
        .map(str::to_owned)
        .to_vec(),
    )?;

    let request = |method: &str, params| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let meta = json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" }, "name": "greet" });
    let mut messages: Vec<String> = [
        request("tools/call", json!({ "name": "greet", "arguments": { "name": "Ada" } })),
        request("tools/call", meta.clone()),
        request("tools/call", json!({ "name": "greet", "arguments": [] })),
        request("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "a", "version": "1" } })),
        request("initialize", meta),
        request("subscriptions/listen", json!({})),
        request("server/discover", json!({})),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": "a", "result": {} }),
        json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": "a" } }),
        json!([{ "jsonrpc": "2.0", "id": 1, "method": "ping" }]),
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    messages.extend(
        [
            r#"{"jsonrpc":"2.0","id":1.0,"method":"pi\u006eg"}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1e400,"method":"ping","params":null}"#,
            "",
            "[[[[",
        ]
        .map(str::to_owned),
    );
    let mut messages: Vec<Vec<u8>> = messages.into_iter().map(String::into_bytes).collect();
    messages.push(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":\"\xff\"}".to_vec());
    for unreadable in ["1e400", r#""\ud800""#, r#""\ud800\u0041""#] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","x":{unreadable}}}"#);
        messages.push(message.into_bytes());
    }
    write("message", messages)?;

    write(
        "challenge",
        [
            r#"Bearer error="invalid_token", error_description="Token has expired", scope="profile email", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#,
            r#"Bearer error=invalid_token, resource_metadata=https://a.example/b?c=d"#,
            r#"Basic realm="a", Bearer error="invalid_token", Bearer"#,
            r#"bearer error="a\"b\\" scope="c""#,
            "Bearer",
            "Bearer abc==",
            "Digest qop=\"auth, auth-int\", nonce=a",
            "\"",
        ]
        .map(str::to_owned)
        .to_vec(),
    )?;

    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance");
    let mut profiles = vec!["name = \"a\"\nabout = \"b\"\naccepts = []\n".to_owned(), String::new()];
    for file in fs::read_dir(suite.join("profiles"))? {
        profiles.push(fs::read_to_string(file?.path())?);
    }
    write("profile", profiles)?;

    let mut cases = vec![String::new()];
    for folder in fs::read_dir(suite.join("cases"))? {
        for file in fs::read_dir(folder?.path())? {
            let text = fs::read_to_string(file?.path())?;
            // A few cases of each file: libFuzzer is slow with long inputs.
            let parts: Vec<&str> = text.split("[[case]]").take(4).collect();
            cases.push(parts.join("[[case]]"));
        }
    }
    write("cases", cases)
}

fn write<T: AsRef<[u8]>>(target: &str, mut seeds: Vec<T>) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    seeds.dedup_by(|one, other| one.as_ref() == other.as_ref());
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("{number:03}")), seed)?;
    }
    Ok(())
}
