//! `/docs`: Swagger UI from the binary with the document in it. One page, nothing from another host.

use askama::Template;
use poem::http::HeaderValue;
use serde_json::{Value, json};

use super::{PublicSettings, page::hash_source};

/// The page and what it may do.
#[derive(Debug)]
pub(super) struct DocsPage {
    pub(super) html: String,
    pub(super) policy: HeaderValue,
    /// In a demo there's a token in it.
    pub(super) caching: HeaderValue,
}

impl DocsPage {
    /// A page of `document` around the style and the script of `swagger_ui`, which is poem-openapi's page: it has its own
    /// document inlined, and no way to set Swagger UI up.
    pub(super) fn new(document: &Value, swagger_ui: &str, settings: &PublicSettings) -> Self {
        // In a layer of its own, so that our style goes before it, however it picks its elements.
        let swagger_style = format!(
            "@layer swagger{{{}}}",
            text_between(swagger_ui, "<style charset=\"UTF-8\">", "</style>")
        );
        let bundle = text_between(swagger_ui, "<script charset=\"UTF-8\">", "</script>");
        let token = settings.demo.as_ref().and_then(|demo| demo.users.first());
        let hint = match token {
            Some(user) => format!(
                "The token of {}, a sample user, is filled in: open an operation, *Try it out*, *Execute*. Tokens of the \
                 others are on the [start page](./).",
                user.name
            ),
            None => "To try `/mcp`, put a token in under *Authorize*. A session token, good for a minute, is what \
                     `await Clerk.session.getToken()` gives in the browser's console, on a page of the application. How to \
                     connect a client is on the [start page](./)."
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
            // Inside a script, `</script>` and `<!--` would end it, wherever they stand in a string.
            data: &data.to_string().replace('<', "\\u003c"),
            bundle,
            script: SCRIPT,
        };
        let policy = format!(
            // The server that the page came from is the one that it calls.
            "default-src 'none'; script-src {} {}; style-src {} {}; img-src data:; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            hash_source(bundle),
            hash_source(SCRIPT),
            hash_source(&swagger_style),
            hash_source(STYLE),
        );
        Self {
            // The template takes strings alone, so rendering can't fail.
            html: template.render().unwrap_or_default(),
            policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
            caching: HeaderValue::from_static(if token.is_some() { "no-store" } else { "no-cache" }),
        }
    }
}

/// What stands in `page` between the first `start` and the next `end`.
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
    use crate::public::page::tests::{demo_settings, settings};

    const SWAGGER_UI: &str =
        "<style charset=\"UTF-8\">a{}</style><script charset=\"UTF-8\">var b=1</script><script>c</script>";

    #[test]
    fn a_demo_fills_in_a_token_and_is_not_stored() {
        let document = json!({ "info": {} });
        let page = DocsPage::new(&document, SWAGGER_UI, &demo_settings());
        assert!(page.html.contains("\"token\":\"token.of.ada\""), "{}", page.html);
        assert_eq!(page.caching, "no-store");
        let page = DocsPage::new(&document, SWAGGER_UI, &settings());
        assert!(page.html.contains("\"token\":null"), "{}", page.html);
        assert!(!page.html.contains("sample user"));
    }

    #[test]
    fn nothing_in_the_document_ends_its_script() {
        let document = json!({ "info": { "description": "</script><!--" } });
        let page = DocsPage::new(&document, SWAGGER_UI, &settings());
        assert!(page.html.contains("\\u003c/script>\\u003c!--"), "{}", page.html);
        // poem-openapi's script, ours, and the data.
        assert_eq!(page.html.matches("</script>").count(), 3);
        assert!(page.html.contains("var b=1") && page.html.contains("a{}"));
    }
}
