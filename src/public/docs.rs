//! `/docs`: one self-contained page with Swagger UI and the OpenAPI document. It loads nothing from another
//! host.

use askama::Template;
use bytes::Bytes;
use poem::{
    Response,
    http::{HeaderValue, header},
};
use serde_json::{Value, json};

use super::{
    inline::{content_security_policy, hash_source, script_data},
    settings::PublicSettings,
};

/// The page and its response headers.
#[derive(Debug)]
pub(super) struct DocsPage {
    html: Bytes,
    content_security_policy: String,
    /// `no-store` in a demo, because the page then contains a token.
    caching: HeaderValue,
}

impl DocsPage {
    /// Renders the page for `document`. `swagger_ui` is the page that poem-openapi generates. Only the style
    /// and script of that page are used, because it embeds another document and cannot be configured.
    pub(super) fn new(document: &Value, swagger_ui: &str, settings: &PublicSettings) -> Self {
        // A cascade layer lets our own style take precedence regardless of selector specificity.
        let swagger_style = format!(
            "@layer swagger{{{}}}",
            text_between(swagger_ui, "<style charset=\"UTF-8\">", "</style>")
        );
        let bundle = text_between(swagger_ui, "<script charset=\"UTF-8\">", "</script>");
        let token = settings.demo.as_ref().and_then(|demo| demo.users.first());
        let hint = match token {
            Some(user) => format!(
                "A token of the sample user {} is filled in: open an operation, then click *Try it out* and *Execute*. \
                 The [start page](./) lists tokens of the other sample users.",
                user.name
            ),
            None => "To try `/mcp`, enter a token under *Authorize*. To get a session token (valid for one minute), open a page of \
                     your application and run `await Clerk.session.getToken()` in the browser console. The \
                     [start page](./) explains how to connect a client."
                .to_owned(),
        };
        let data = json!({
            "document": document,
            "hint": hint,
            "token": token.map(|user| &user.token),
        });
        let template = DocsTemplate {
            name: &settings.name,
            swagger_style: &swagger_style,
            style: STYLE,
            data: &script_data(&data),
            bundle,
            script: SCRIPT,
        };
        Self {
            // Rendering cannot fail, because the template only contains strings.
            html: template.render().unwrap_or_default().into(),
            // The page calls only the server that it was loaded from.
            content_security_policy: content_security_policy(&format!(
                "script-src {} {}; style-src {} {}; connect-src 'self'",
                hash_source(bundle),
                hash_source(SCRIPT),
                hash_source(&swagger_style),
                hash_source(STYLE),
            )),
            caching: HeaderValue::from_static(if token.is_some() { "no-store" } else { "no-cache" }),
        }
    }

    pub(super) fn response(&self) -> Response {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, &self.content_security_policy)
            .header(header::CACHE_CONTROL, &self.caching)
            .header(header::REFERRER_POLICY, "no-referrer")
            .body(self.html.clone())
    }
}

/// Returns the text of `page` between the first `start` and the next `end`.
fn text_between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let rest = page.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(inner, _)| inner)
}

#[derive(Template)]
#[template(path = "public/docs.html", config = ".askama.toml")]
struct DocsTemplate<'a> {
    name: &'a str,
    swagger_style: &'a str,
    style: &'a str,
    data: &'a str,
    bundle: &'a str,
    script: &'a str,
}

const STYLE: &str = include_str!("docs.css");
const SCRIPT: &str = include_str!("docs.js");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public::settings::tests::{demo_settings, settings};

    const SWAGGER_UI: &str =
        "<style charset=\"UTF-8\">a{}</style><script charset=\"UTF-8\">var b=1</script><script>c</script>";

    fn html(page: &DocsPage) -> &str {
        std::str::from_utf8(&page.html).unwrap()
    }

    #[test]
    fn a_demo_fills_in_a_token_and_is_not_stored() {
        let document = json!({ "info": {} });
        let page = DocsPage::new(&document, SWAGGER_UI, &demo_settings());
        assert!(
            html(&page).contains("\"token\":\"token.of.ada\""),
            "{}",
            html(&page)
        );
        assert_eq!(page.caching, "no-store");
        let page = DocsPage::new(&document, SWAGGER_UI, &settings());
        assert!(html(&page).contains("\"token\":null"), "{}", html(&page));
        assert!(!html(&page).contains("sample user"));
    }

    #[test]
    fn nothing_in_the_document_ends_its_script() {
        let document = json!({ "info": { "description": "</script><!--" } });
        let page = DocsPage::new(&document, SWAGGER_UI, &settings());
        assert!(
            html(&page).contains("\\u003c/script>\\u003c!--"),
            "{}",
            html(&page)
        );
        // The data, the Swagger UI bundle, and our own script.
        assert_eq!(html(&page).matches("</script>").count(), 3);
        assert!(html(&page).contains("var b=1") && html(&page).contains("a{}"));
    }
}
