//! Client ID metadata documents.

use std::sync::Arc;

use jiff::SignedDuration;
use local_clerk::{ClientDocumentError, LocalClerkBuilder};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::support::{CALLBACK, Harness, Registered, claims, text};

const URL: &str = "https://app.example.com/client.json";

fn document(client_id: &str) -> Value {
    json!({
        "client_id": client_id,
        "client_name": "Documented client",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

fn client(id: &str) -> Registered {
    Registered {
        id: id.to_owned(),
        secret: None,
    }
}

/// The https web server of a client, which serves its metadata document.
struct Website {
    origin: String,
    pem: String,
    server: JoinHandle<()>,
}

impl Website {
    /// Starts the server. `answer` maps the server's origin and a path to a whole HTTP response.
    async fn start(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let own = origin.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = tls.accept(stream).await else {
                    continue;
                };
                let mut request = vec![0; 8 * 1024];
                let length = stream.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let _ = stream.write_all(answer(&own, path).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            origin,
            pem: cert.pem(),
            server,
        }
    }

    /// Starts a local Clerk that trusts this web server and signs Ada in without a page.
    async fn harness(&self, more: impl FnOnce(LocalClerkBuilder) -> LocalClerkBuilder) -> Harness {
        Harness::start_with(|builder| more(builder.auto_approve("Ada").trust(&self.pem))).await
    }
}

impl Drop for Website {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn client_with_a_metadata_document_gets_tokens() {
    let site = Website::start(|origin, path| ok(&document(&format!("{origin}{path}")).to_string())).await;
    let harness = site.harness(|builder| builder.default_scopes(&["profile"])).await;
    let metadata = harness
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);

    let client = client(&format!("{}/client.json", site.origin));
    let tokens = harness.tokens(&client, &[]).await;
    assert_eq!(tokens["scope"], "profile offline_access");
    assert_eq!(
        claims(text(&tokens, "access_token"))["client_id"],
        client.id.as_str()
    );
    let refreshed = harness
        .refresh(&client, text(&tokens, "refresh_token"), &[])
        .await;
    assert_eq!(refreshed.status, StatusCode::OK);

    // These clients have fewer scopes than the metadata lists.
    let organization = [("scope", "profile user:org:read")];
    let answer = harness.authorize(&client, &organization).await;
    assert_eq!(answer.callback()["error"], "invalid_scope");

    // RFC 8252 §7.3: only the port of a loopback redirect URI may differ from the one in the document.
    let port = [("redirect_uri", "http://127.0.0.1:1/callback")];
    let answer = harness.authorize(&client, &port).await;
    let location = answer.header("location").unwrap();
    assert!(
        location.starts_with("http://127.0.0.1:1/callback?code="),
        "{location}"
    );
    let path = [("redirect_uri", "http://127.0.0.1:1/other")];
    assert_eq!(
        harness.authorize(&client, &path).await.status,
        StatusCode::BAD_REQUEST
    );
    // PKCE is required.
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let callback = harness.authorize(&client, &without).await.callback();
    assert_eq!(callback["error"], "invalid_request");
}

#[tokio::test]
async fn unusable_documents_show_an_error_page() {
    let site = Website::start(|origin, path| {
        let mut document = document(&format!("{origin}{path}"));
        match path {
            "/redirect" => return "HTTP/1.1 302 Found\r\nLocation: /good\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            "/missing" => return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            "/huge" => return ok(&format!("{{\"x\":\"{}\"}}", "x".repeat(70_000))),
            "/not-json" => return ok("<html>"),
            "/other" => document["client_id"] = json!("https://other.example/client.json"),
            "/nameless" => document["client_name"] = Value::Null,
            "/no-redirects" => document["redirect_uris"] = json!([]),
            "/bad-redirect" => document["redirect_uris"] = json!(["javascript:alert(1)"]),
            "/secret" => document["client_secret"] = json!("x"),
            "/method" => document["token_endpoint_auth_method"] = json!("client_secret_basic"),
            _ => {}
        }
        ok(&document.to_string())
    })
    .await;
    let harness = site.harness(|builder| builder).await;
    for (path, reason) in [
        ("/redirect", "the response status is 302, not 200"),
        ("/missing", "the response status is 404, not 200"),
        ("/huge", "it is larger than 64 KiB"),
        ("/not-json", "it is not JSON"),
        ("/other", "its client_id is not its URL"),
        ("/nameless", "it has no client_name"),
        ("/no-redirects", "it has no redirect_uris"),
        ("/bad-redirect", "one of its redirect_uris is not allowed"),
        ("/secret", "it must not contain a client secret"),
        ("/method", "its token_endpoint_auth_method must be none"),
        ("/", "it must have a path"),
        ("/a#b", "it must not have a fragment or credentials"),
    ] {
        let client = client(&format!("{}{path}", site.origin));
        let answer = harness.authorize(&client, &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.body.contains(reason), "{path}: {}", answer.body);
    }
    // The certificate of the web server is not trusted without its authority.
    let stranger = Harness::auto_approving().await;
    let answer = stranger
        .authorize(&client(&format!("{}/good", site.origin)), &[])
        .await;
    assert!(
        answer
            .body
            .contains("cannot fetch the client ID metadata document")
            && answer.body.contains("--trust FILE"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("error sending request"), "{}", answer.body);
}

#[tokio::test]
async fn document_is_fetched_again_after_five_minutes() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let fetched = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&fetched);
    let site = Website::start(move |origin, path| {
        counter.fetch_add(1, Ordering::Relaxed);
        ok(&document(&format!("{origin}{path}")).to_string())
    })
    .await;
    let harness = site.harness(|builder| builder).await;
    let client = client(&format!("{}/client.json", site.origin));
    for (minutes, expected) in [(0, 1), (4, 1), (1, 2)] {
        harness.clock.advance(SignedDuration::from_mins(minutes));
        harness.code(&client, &[]).await;
        assert_eq!(fetched.load(Ordering::Relaxed), expected, "{minutes}");
    }
}

#[tokio::test]
async fn document_can_be_pinned_and_the_feature_turned_off() {
    let harness = Harness::auto_approving().await;
    harness.clerk.pin_client_document(URL, &document(URL)).unwrap();
    harness.clock.advance(SignedDuration::from_hours(24));
    harness.tokens(&client(URL), &[]).await;
    assert!(matches!(
        harness.clerk.pin_client_document(URL, &json!({})),
        Err(ClientDocumentError::Document(_))
    ));
    assert!(matches!(
        harness
            .clerk
            .pin_client_document("https://app.example.com", &document(URL)),
        Err(ClientDocumentError::Url(_))
    ));

    let off =
        Harness::start_with(|builder| builder.auto_approve("Ada").client_id_metadata_documents(false)).await;
    let metadata = off.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata.get("client_id_metadata_document_supported").is_none());
    let answer = off.authorize(&client(URL), &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.body.contains("client ID metadata documents turned off"),
        "{}",
        answer.body
    );
}
