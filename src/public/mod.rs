//! The public routes: discovery documents, health, the OpenAPI document, and the start page. They accept only
//! GET and HEAD, and ignore tokens.

mod authorization_server;
mod clients;
mod demo;
mod docs;
mod health;
mod inline;
mod mcp_page;
mod openapi;
mod operations;
mod page;
mod protected_resource;
mod routes;
mod sample;
mod settings;

use std::sync::Arc;

use poem_openapi::OpenApiService;

pub use self::health::Health;
#[cfg(feature = "cli")]
pub(crate) use self::health::health_routes;
pub(crate) use self::{authorization_server::MetadataMirror, demo::DemoContent, settings::PublicSettings};
#[cfg(feature = "demo")]
pub(crate) use self::{
    clients::{ClientSetup, client_setups},
    demo::{BrokenRequest, BrokenRequestCheck, DemoUser},
    sample::arguments as sample_arguments,
};
use self::{openapi::Document, page::StartPage};
use crate::auth::BrowserPage;

/// The public operations, served and documented by poem-openapi.
#[derive(Debug)]
pub(crate) struct PublicApi {
    settings: PublicSettings,
    authorization_server: MetadataMirror,
    health: Arc<Health>,
    page: StartPage,
}

impl PublicApi {
    /// Creates the operations of a server with `settings`.
    pub(crate) fn new(
        settings: PublicSettings,
        authorization_server: MetadataMirror,
        health: Arc<Health>,
    ) -> Self {
        Self {
            page: StartPage::new(&settings),
            settings,
            authorization_server,
            health,
        }
    }

    /// Returns the page for a browser that opens the MCP endpoint.
    pub(crate) fn mcp_page(&self) -> BrowserPage {
        mcp_page::mcp_page(&self.settings)
    }

    /// Creates the service of the operations, and the OpenAPI document. The document covers all routes,
    /// including `/mcp` and the routes of the document itself.
    fn into_service(self) -> (OpenApiService<Self, ()>, Document) {
        let settings = self.settings.clone();
        let service = OpenApiService::new(self, settings.name.clone(), env!("CARGO_PKG_VERSION"))
            .description(
                "An MCP server protected by Clerk. `/mcp` accepts Clerk session tokens and OAuth access tokens; all \
                 other routes are public.",
            )
            .server(settings.resources.base());
        let document = Document::new(&service, &settings);
        (service, document)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{clock::SystemClock, paths};

    /// `#[oai(path)]` only accepts literals, so the paths could differ from those in `paths`.
    #[test]
    fn documented_paths_equal_the_paths_of_the_server() {
        let client = crate::outbound::client(&"http://127.0.0.1:9".parse().unwrap(), &[]).unwrap();
        let mirror = MetadataMirror::new(client, "", "", Arc::new(SystemClock));
        let health = Arc::new(Health::new(|| true, Arc::default()));
        let (_, document) = PublicApi::new(settings::tests::settings(), mirror, health).into_service();
        let paths = document.value()["paths"].as_object().unwrap();
        let paths: BTreeSet<_> = paths.keys().map(String::as_str).collect();
        assert_eq!(paths, BTreeSet::from(paths::ALL));
    }
}
